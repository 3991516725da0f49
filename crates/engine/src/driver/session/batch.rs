//! One transaction of a session: what was learnt, what it means, and the intent of what is next.

use connectus_core::{
    Error, Result, RunId, Timestamp, WorkflowId,
    event::EventType,
    run::{Failure, Run, RunKind},
};
use connectus_store::{
    Tx,
    effects::{Answer, NewEffect},
    journal::PendingSignal,
    runs::{NewRun, RunNote},
    steps::{StepBegin, StepEnd},
    workflows::WorkflowRow,
};
use serde_json::{Value, json};

use super::{Session, generation::Continued};
use crate::{
    driver::{
        job::Job,
        settle::{self, CHILD_SIGNAL, Outcome},
    },
    workflows,
};

/// Runs that may wait for each other in a row: a workflow that runs itself must end somewhere.
const MAX_NESTED_RUNS: usize = 16;

/// A workflow to be started by a step.
#[derive(Clone, Debug)]
pub(super) struct Child {
    pub id: String,
    pub workflow: String,
    pub input: Value,
    pub key_suffix: String,
}

/// An attempt about to begin.
#[derive(Clone, Debug)]
pub(super) struct Begin {
    pub step: StepBegin,
    /// The key and kind of the effect it sends, if it sends one.
    pub key: String,
    pub kind: &'static str,
}

/// What one transaction writes.
#[derive(Clone, Debug, Default)]
pub(super) struct Batch {
    pub continued: Option<Continued>,
    pub entries: Vec<(u64, String)>,
    pub begins: Vec<Begin>,
    pub ends: Vec<StepEnd>,
    pub answers: Vec<(String, Answer)>,
    pub waits: Vec<(String, String, Option<Value>)>,
    pub children: Vec<Child>,
    pub stopped_children: Vec<String>,
    pub read_signals: Vec<String>,
    pub progress: Option<Value>,
    pub outcome: Option<Outcome>,
    /// Steps under way that are to stop once this is durable.
    pub stops: Vec<String>,
    /// Children that were stopped before they were started; answered within this batch.
    pub unborn: Vec<String>,
    /// The run is to start over with this input; done within this batch.
    pub restart: Option<Value>,
}

impl Batch {
    /// The steps to launch after the commit, and the kind of their effect.
    pub fn launches(&self) -> Vec<(String, &'static str)> {
        self.begins.iter().map(|begin| (begin.step.step_id.clone(), begin.kind)).collect()
    }

    /// Whether there is nothing to write. Everything else is a consequence of these.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.begins.is_empty() && self.ends.is_empty()
    }
}

/// The idempotency key of a step: equal over attempts and replays.
pub(in crate::driver) fn effect_key(run: &Run, key_suffix: &str) -> String {
    format!("{}/{}/{key_suffix}", run.tenant, run.id)
}

impl Session<'_> {
    /// Commits a batch. With `rest` the run is put to rest in the same transaction, unless
    /// something has come in; tells whether it rests now.
    pub(super) async fn commit(&mut self, batch: Batch, rest: Option<Timestamp>) -> Result<bool> {
        let (job, cancelled) = (self.job.clone(), self.cancelled);
        let begins = !std::mem::replace(&mut self.begun, true);
        self.job
            .parts
            .store
            .write(move |tx| {
                Box::pin(async move {
                    stop_children(tx, &job, &batch).await?;
                    let note = RunNote {
                        progress: batch.progress.clone(),
                        advanced: !batch.entries.is_empty(),
                    };
                    settle::hold(tx, &job, &note).await?;
                    write_learnt(tx, &job, &batch).await?;
                    write_intents(tx, &job, &batch).await?;
                    let rested = match rest {
                        Some(due) => rests(tx, &job, due, cancelled).await?,
                        None => false,
                    };
                    if let Some(outcome) = &batch.outcome {
                        settle::end(tx, &job, outcome).await?;
                    }
                    tell(tx, &job, &batch, begins).await?;
                    Ok(rested)
                })
            })
            .await
    }
}

/// Tells children to stop. Their rows are locked before the run's own; see [`settle`].
async fn stop_children(tx: &mut Tx, job: &Job, batch: &Batch) -> Result<()> {
    for step in &batch.stopped_children {
        if let Some(child) = tx.child_run(&job.ctx, &job.run.id, step).await? {
            tx.request_run_cancel(&job.ctx, &child).await?;
        }
    }
    Ok(())
}

async fn write_learnt(tx: &mut Tx, job: &Job, batch: &Batch) -> Result<()> {
    let Job { ctx, run, .. } = job;
    if let Some(continued) = &batch.continued {
        let stored = serde_json::to_value(continued).map_err(Error::internal)?;
        tx.continue_run(ctx, &run.id, &stored).await?;
    } else {
        // A generation that is over takes its steps with it.
        for end in &batch.ends {
            tx.end_step(ctx, &run.id, end).await?;
        }
    }
    for (seq, entry) in &batch.entries {
        tx.append_journal(ctx, &run.id, *seq, entry).await?;
    }
    for id in &batch.read_signals {
        tx.drop_signal(ctx, &run.id, id).await?;
    }
    for (key, answer) in &batch.answers {
        tx.answer_effect(ctx, key, answer).await?;
    }
    Ok(())
}

async fn write_intents(tx: &mut Tx, job: &Job, batch: &Batch) -> Result<()> {
    let Job { ctx, run, .. } = job;
    for child in &batch.children {
        start_child(tx, job, child).await?;
    }
    for Begin { step, key, kind } in &batch.begins {
        tx.begin_step(ctx, &run.id, step).await?;
        if *kind != crate::actions::LOCAL {
            let effect = NewEffect {
                key: key.clone(),
                step_id: step.step_id.clone(),
                action: step.action.clone(),
                kind,
            };
            tx.send_effect(ctx, &run.id, &effect).await?;
        }
    }
    Ok(())
}

/// Emits the events of a batch. Last, because events lock the tenant's row.
async fn tell(tx: &mut Tx, job: &Job, batch: &Batch, begins: bool) -> Result<()> {
    let Job { ctx, run, .. } = job;
    let started = if begins { settle::started(run) } else { None };
    let ended = batch.ends.iter().filter(|end| end.next_attempt_at.is_none()).map(|end| {
        let status = if end.outcome.is_ok() { "completed" } else { "failed" };
        let data = json!({ "step": end.step_id, "attempt": end.attempt, "status": status });
        (EventType::RunStepFinished, data)
    });
    let waits = batch.waits.iter().map(|(step, signal, ask)| {
        (EventType::RunWaiting, json!({ "step": step, "signal": signal, "ask": ask }))
    });
    for (kind, data) in started.into_iter().chain(ended).chain(waits) {
        tx.emit(ctx, kind, run.id.as_str(), data).await?;
    }
    Ok(())
}

/// Starts the workflow a step names, once. What cannot be started is answered at once.
async fn start_child(tx: &mut Tx, job: &Job, child: &Child) -> Result<()> {
    let Job { ctx, run, .. } = job;
    let workflow = match named(tx, job, &child.workflow).await {
        Ok(workflow) => workflow,
        Err(error) if error.is_transient() => return Err(error),
        Err(error) => {
            let signal = PendingSignal {
                id: format!("refused:{}", child.key_suffix),
                name: format!("{CHILD_SIGNAL}{}", child.id),
                value: json!({ "error": Failure::from(&error) }),
            };
            return Ok(tx.put_signal(ctx, &run.id, &signal).await.map(drop)?);
        }
    };
    let new = NewRun {
        dedupe_key: Some(format!("child:{}/{}", run.id, child.key_suffix)),
        parent: Some((run.id.clone(), child.id.clone())),
        ..workflows::new_run(&workflow, "workflow", child.input.clone())
    };
    debug_assert_eq!(new.kind, RunKind::Workflow);
    tx.insert_run(ctx, new).await.map(drop)
}

async fn named(tx: &mut Tx, job: &Job, name: &str) -> Result<WorkflowRow> {
    let (mut above, mut nested) = (Some(job.run.id.clone()), 0);
    while let Some(run) = above {
        above = tx.parent_run(&job.ctx, &run).await?;
        nested += 1;
        if nested >= MAX_NESTED_RUNS {
            let message = format!("runs may wait for each other {MAX_NESTED_RUNS} deep at most");
            return Err(Error::invalid("workflow", message));
        }
    }
    if let Some(id) = WorkflowId::parse(name)
        && let Some(found) = tx.workflow(&job.ctx, &id).await?
    {
        return Ok(found);
    }
    let found = tx.workflow_by_name(&job.ctx, name).await?;
    found.ok_or_else(|| Error::not_found(&format!("workflow `{name}`")))
}

/// Puts the run to rest, unless something came in. [`settle::hold`] has locked the run's row: a
/// signal or the wish to stop is either seen here or finds the run resting and wakes it.
async fn rests(tx: &mut Tx, job: &Job, due: Timestamp, cancelled: bool) -> Result<bool> {
    let id: &RunId = &job.run.id;
    let mail = tx.mail(&job.ctx, id).await?;
    if !mail.signals.is_empty() || (mail.cancel && !cancelled) {
        return Ok(false);
    }
    Ok(tx.rest_run(&job.claim, due, 0).await?)
}
