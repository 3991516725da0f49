//! One transaction of a session: what was learnt, what it means, and the intent of what is next.

use connectus_core::{
    Error, Result, RunId, TenantCtx, Timestamp, WorkflowId,
    event::EventType,
    run::{Failure, Run, RunKind},
};
use connectus_store::{
    Tx,
    effects::NewEffect,
    journal::PendingSignal,
    runs::NewRun,
    steps::{StepBegin, StepEnd},
    workflows::WorkflowRow,
};
use serde_json::{Value, json};

use super::Session;
use crate::{
    driver::settle::{self, CHILD_SIGNAL, Outcome},
    workflows,
};

/// A workflow to be started by a step.
#[derive(Clone, Debug)]
pub(super) struct Child {
    pub id: String,
    pub workflow: String,
    pub input: Value,
    pub key_suffix: String,
}

/// What one transaction writes.
#[derive(Clone, Debug, Default)]
pub(super) struct Batch {
    pub entries: Vec<(u64, String)>,
    pub begins: Vec<(StepBegin, &'static str)>,
    pub ends: Vec<StepEnd>,
    pub answers: Vec<(String, Option<Value>)>,
    pub timers: Vec<(String, Timestamp)>,
    pub dropped_timers: Vec<String>,
    pub waits: Vec<(String, String, Option<Value>)>,
    pub children: Vec<Child>,
    pub stopped_children: Vec<String>,
    pub read_signals: Vec<String>,
    pub progress: Option<Value>,
    pub outcome: Option<Outcome>,
    /// Steps that were stopped before anything was under way; they are answered in memory.
    pub unanswered: Vec<String>,
    /// The run starts over with its next generation.
    pub restart: bool,
}

impl Batch {
    /// The steps to launch after the commit, and the kind of their effect.
    pub fn launches(&self) -> Vec<(String, &'static str)> {
        self.begins.iter().map(|(begin, kind)| (begin.step_id.clone(), *kind)).collect()
    }
}

/// The idempotency key of a step: equal over attempts and replays.
pub(in crate::driver) fn effect_key(run: &Run, key_suffix: &str) -> String {
    format!("{}/{}/{key_suffix}", run.tenant, run.id)
}

impl Session<'_> {
    /// Commits a batch. With `rest` the run is put to rest in the same transaction, unless a signal
    /// has come in; tells whether it rests now.
    pub(super) async fn commit(&mut self, batch: Batch, rest: Option<Timestamp>) -> Result<bool> {
        let (ctx, run) = (self.ctx.clone(), self.run.clone());
        let keys: Vec<(String, String)> = batch
            .begins
            .iter()
            .filter_map(|(begin, _)| {
                let step = self.steps.get(&begin.step_id)?;
                Some((begin.step_id.clone(), effect_key(&run, &step.key_suffix)))
            })
            .collect();
        let begin = !std::mem::replace(&mut self.begun, true);
        self.parts
            .store
            .write(move |tx| {
                Box::pin(async move {
                    if begin {
                        settle::begin(tx, &ctx, &run).await?;
                    }
                    write_learnt(tx, &ctx, &run, &batch).await?;
                    write_intents(tx, &ctx, &run, &batch, &keys).await?;
                    if let Some(outcome) = &batch.outcome {
                        settle::end(tx, &ctx, &run, outcome).await?;
                        return Ok(false);
                    }
                    match rest {
                        Some(due) => rests(tx, &ctx, &run, due).await,
                        None => Ok(false),
                    }
                })
            })
            .await
    }
}

async fn write_learnt(tx: &mut Tx, ctx: &TenantCtx, run: &Run, batch: &Batch) -> Result<()> {
    for (seq, entry) in &batch.entries {
        tx.append_journal(ctx, &run.id, *seq, entry).await?;
    }
    for id in &batch.read_signals {
        tx.drop_signal(ctx, &run.id, id).await?;
    }
    for id in &batch.dropped_timers {
        tx.drop_timer(ctx, &run.id, id).await?;
    }
    for end in &batch.ends {
        tx.end_step(ctx, &run.id, end).await?;
        if end.next_attempt_at.is_none() {
            let data = json!({
                "step": end.step_id,
                "attempt": end.attempt,
                "status": if end.outcome.is_ok() { "completed" } else { "failed" },
            });
            tx.emit(ctx, EventType::RunStepFinished, run.id.as_str(), data).await?;
        }
    }
    for (key, answer) in &batch.answers {
        tx.answer_effect(ctx, key, answer.as_ref().ok_or(())).await?;
    }
    if let Some(progress) = &batch.progress {
        tx.set_run_progress(ctx, &run.id, progress).await?;
    }
    Ok(())
}

async fn write_intents(
    tx: &mut Tx,
    ctx: &TenantCtx,
    run: &Run,
    batch: &Batch,
    keys: &[(String, String)],
) -> Result<()> {
    for (id, at) in &batch.timers {
        tx.put_timer(ctx, &run.id, id, *at).await?;
    }
    for (id, name, meta) in &batch.waits {
        let data = json!({ "step": id, "signal": name, "ask": meta });
        tx.emit(ctx, EventType::RunWaiting, run.id.as_str(), data).await?;
    }
    for child in &batch.children {
        start_child(tx, ctx, run, child).await?;
    }
    for id in &batch.stopped_children {
        if let Some(child) = tx.child_run(ctx, &run.id, id).await? {
            tx.request_run_cancel(ctx, &child).await?;
        }
    }
    for (begin, kind) in &batch.begins {
        tx.begin_step(ctx, &run.id, begin).await?;
        let key = keys.iter().find(|(id, _)| *id == begin.step_id);
        if let Some((_, key)) = key.filter(|_| *kind != crate::actions::LOCAL) {
            let effect = NewEffect {
                key: key.clone(),
                step_id: begin.step_id.clone(),
                action: begin.action.clone(),
                kind,
            };
            tx.send_effect(ctx, &run.id, &effect).await?;
        }
    }
    Ok(())
}

/// Starts the workflow a step names, once. What cannot be started is answered at once.
async fn start_child(tx: &mut Tx, ctx: &TenantCtx, run: &Run, child: &Child) -> Result<()> {
    let Some(workflow) = named(tx, ctx, &child.workflow).await? else {
        let error = Error::not_found(&format!("workflow `{}`", child.workflow));
        let signal = PendingSignal {
            id: format!("missing:{}", child.id),
            name: format!("{CHILD_SIGNAL}{}", child.id),
            value: json!({ "error": Failure::from(&error) }),
        };
        return Ok(tx.put_signal(ctx, &run.id, &signal).await?);
    };
    let new = NewRun {
        dedupe_key: Some(format!("child:{}/{}", run.id, child.key_suffix)),
        parent: Some((run.id.clone(), child.id.clone())),
        ..workflows::new_run(&workflow, "workflow", child.input.clone())
    };
    debug_assert_eq!(new.kind, RunKind::Workflow);
    tx.insert_run(ctx, new).await.map(drop)
}

async fn named(tx: &mut Tx, ctx: &TenantCtx, name: &str) -> Result<Option<WorkflowRow>> {
    if let Some(id) = WorkflowId::parse(name)
        && let Some(found) = tx.workflow(ctx, &id).await?
    {
        return Ok(Some(found));
    }
    Ok(tx.workflow_by_name(ctx, name).await?)
}

/// Puts the run to rest, unless something came in. The order matters: the update locks the run's
/// row, so that a signal is either seen here or finds the run resting and wakes it.
async fn rests(tx: &mut Tx, ctx: &TenantCtx, run: &Run, due: Timestamp) -> Result<bool> {
    tx.suspend_run(ctx, &run.id, due, 0).await?;
    let unread = !tx.signals(ctx, &run.id).await?.is_empty() || newly_cancelled(tx, ctx, run).await?;
    if unread {
        tx.begin_run(ctx, &run.id).await?;
    }
    Ok(!unread)
}

async fn newly_cancelled(tx: &mut Tx, ctx: &TenantCtx, run: &Run) -> Result<bool> {
    let id: &RunId = &run.id;
    let now = tx.run(ctx, id).await?;
    Ok(now.is_some_and(|now| now.cancel_requested && !run.cancel_requested))
}
