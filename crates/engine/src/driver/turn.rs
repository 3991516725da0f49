//! A turn of a run is one transaction of its session: what was learnt, what it means, and the
//! intent of what is next. Turns of many runs are written together, a statement for each kind of
//! row and not for each run.
//!
//! On PostgreSQL rows stay locked until the transaction ends; see [`settle`] for the order.

use std::collections::{HashMap, HashSet};

use connectus_core::{
    Error, Result, RunId, TenantCtx, WorkflowId,
    event::{Detail, EventType},
    run::Failure,
};
use connectus_store::{
    Tx,
    events::NewEvent,
    journal::PendingSignal,
    runs::{NewRun, OfRun, Rest, RunNote},
    workflows::WorkflowRow,
};
use serde::Serialize;
use serde_json::json;

use super::{
    job::{Job, lost},
    session::batch::{Batch, Child, Ended},
    settle::{self, CHILD_SIGNAL, Outcome},
};
use crate::workflows;

/// Runs that may wait for each other in a row: a workflow that runs itself must end somewhere.
const MAX_NESTED_RUNS: usize = 16;

/// What one transaction does to one run.
#[derive(Clone)]
pub(super) struct Turn {
    pub job: Job,
    pub batch: Batch,
    pub note: RunNote,
    /// Whether the run is marked as begun by it.
    pub begins: bool,
    /// Whether the run knows a value that is too large for a row.
    pub has_large: bool,
    /// The run is put to rest, unless something has come in.
    pub rest: Option<Rest>,
}

impl Turn {
    /// Whether it is to be written alone. Children are told to stop before it is known whether the
    /// claim holds, so that all of it must be undone if it does not.
    pub fn goes_alone(&self) -> bool {
        !self.batch.stopped_children.is_empty()
    }

    fn of_run<T>(&self, what: T) -> OfRun<'_, T> {
        OfRun { tenant: self.job.ctx.tenant(), run: &self.job.run.id, what }
    }
}

/// Everything of one kind, of all turns.
fn each<'t, T: 't>(turns: &[&'t Turn], of: impl Fn(&'t Batch) -> Vec<T>) -> Vec<OfRun<'t, T>> {
    turns
        .iter()
        .copied()
        .flat_map(|turn| of(&turn.batch).into_iter().map(|what| turn.of_run(what)))
        .collect()
}

/// Writes turns, each of another run; `born` are the first turns of runs that this transaction
/// accepts, `events` what is told before theirs. Tells of each turn whether its run rests now; one
/// whose claim is void is not written.
///
/// # Errors
/// What the database says; nothing is written then. `conflict` when the only one is void.
pub(super) async fn write(
    tx: &mut Tx,
    turns: &[&Turn],
    born: &[&Turn],
    mut events: Vec<NewEvent>,
) -> Result<Vec<Result<bool>>> {
    for turn in turns {
        stop_children(tx, turn).await?;
    }
    let held = hold(tx, turns).await?;
    let holds = |turn: &Turn| held.contains(&turn.job.run.id);
    if let ([only], []) = (turns, born)
        && !holds(only)
    {
        return Err(lost());
    }
    let mut written: Vec<&Turn> = turns.iter().copied().filter(|turn| holds(turn)).collect();
    let over = written.iter().filter(|turn| turn.batch.outcome.is_some());
    let over: Vec<&Job> = over.map(|turn| &turn.job).collect();
    let rests: Vec<_> =
        written.iter().filter_map(|turn| Some((&turn.job.claim, turn.rest.as_ref()?))).collect();
    written.extend(born);
    write_learnt(tx, &written).await?;
    write_intents(tx, &written).await?;
    let rested: HashSet<RunId> = tx.rest_runs(&rests).await?.into_iter().collect();
    settle::forget_mail(tx, &over).await?;
    let ends: Vec<(&Job, &Outcome)> =
        written.iter().filter_map(|turn| Some((&turn.job, turn.batch.outcome.as_ref()?))).collect();
    let ended = settle::follow(tx, &ends).await?;
    settle::tell_waiting(tx, &ends);
    events.extend(written.iter().flat_map(|turn| told(turn)).chain(ended));
    tx.emit_all(together(events)).await?;
    let outcome = |turn: &&Turn| match holds(turn) {
        true => Ok(rested.contains(&turn.job.run.id)),
        false => Err(lost()),
    };
    Ok(turns.iter().map(outcome).collect())
}

/// Locks the rows of the runs and writes down how they are doing, or how they ended. Tells whose
/// claims hold.
async fn hold(tx: &mut Tx, turns: &[&Turn]) -> Result<HashSet<RunId>> {
    let (mut notes, mut ends) = (Vec::new(), Vec::new());
    for Turn { job, batch, note, .. } in turns {
        match &batch.outcome {
            None => notes.push((&job.claim, note)),
            Some(outcome) => {
                ends.push((&job.claim, settle::ending(outcome, note.progress.as_ref())));
            }
        }
    }
    let mut held: HashSet<RunId> = tx.hold_runs(&notes).await?.into_iter().collect();
    held.extend(tx.finish_runs(&ends).await?);
    Ok(held)
}

/// Tells children to stop. Their rows are locked before the run's own.
async fn stop_children(tx: &mut Tx, turn: &Turn) -> Result<()> {
    let job = &turn.job;
    for step in &turn.batch.stopped_children {
        if let Some(child) = tx.child_run(&job.ctx, &job.run.id, step).await? {
            tx.request_run_cancel(&job.ctx, &child).await?;
        }
    }
    Ok(())
}

/// The attempts that ended in the generation that goes on; one that is over takes its steps along.
fn kept(batch: &Batch) -> &[Ended] {
    if batch.continued.is_none() { &batch.ends } else { &[] }
}

async fn write_learnt(tx: &mut Tx, turns: &[&Turn]) -> Result<()> {
    // Before runs start over: then it counts whether any is left.
    let read = each(turns, |batch| batch.read_signals.iter().map(String::as_str).collect());
    tx.drop_read_signals(&read).await?;
    for turn in turns {
        if let Some(continued) = &turn.batch.continued {
            let stored = serde_json::to_value(continued).map_err(Error::internal)?;
            tx.continue_run(&turn.job.ctx, &turn.job.run.id, &stored).await?;
        }
    }
    let ends = each(turns, |batch| {
        kept(batch).iter().filter(|ended| ended.begin.is_none()).map(|ended| &ended.end).collect()
    });
    tx.end_steps(&ends).await?;
    let whole = each(turns, |batch| {
        kept(batch).iter().filter_map(|Ended { end, begin }| Some((begin.as_ref()?, end))).collect()
    });
    tx.put_steps(&whole).await?;
    let entries = each(turns, |batch| {
        batch.entries.iter().map(|(seq, entry)| (*seq, entry.as_str())).collect()
    });
    tx.append_journal(&entries).await?;
    let answers = each(turns, |batch| {
        batch.answers.iter().map(|(key, answer)| (key.as_str(), answer)).collect()
    });
    Ok(tx.answer_effects(&answers).await?)
}

async fn write_intents(tx: &mut Tx, turns: &[&Turn]) -> Result<()> {
    for turn in turns {
        for child in &turn.batch.children {
            start_child(tx, &turn.job.ctx, &turn.job.run.id, child).await?;
        }
    }
    let begins = each(turns, |batch| batch.begins.iter().map(|begin| &begin.step).collect());
    tx.begin_steps(&begins).await?;
    let effects = each(turns, |batch| {
        batch.begins.iter().filter_map(|begin| begin.effect.as_ref()).collect()
    });
    Ok(tx.send_effects(&effects).await?)
}

/// Events by what they are about, in the order in which each came up: what is told of one run lies
/// together.
fn together(mut events: Vec<NewEvent>) -> Vec<NewEvent> {
    let mut places: HashMap<String, usize> = HashMap::with_capacity(events.len());
    for event in &events {
        if !places.contains_key(&event.subject) {
            places.insert(event.subject.clone(), places.len());
        }
    }
    events.sort_by_key(|event| places.get(&event.subject).copied());
    events
}

/// What is said of steps that ended.
#[derive(Serialize)]
struct StepsEnded<'a> {
    steps: &'a [StepEnded<'a>],
}

#[derive(Serialize)]
struct StepEnded<'a> {
    attempt: u32,
    status: &'static str,
    step: &'a str,
}

/// The events of a turn but for that of its end.
fn told(turn: &Turn) -> Vec<NewEvent> {
    let Turn { job, batch, begins, .. } = turn;
    let started = if *begins { settle::started(&job.run) } else { None };
    let ends = batch.ends.iter().map(|ended| &ended.end);
    let steps: Vec<StepEnded<'_>> = ends
        .filter(|end| end.next_attempt_at.is_none())
        .map(|end| {
            let status = if end.outcome.is_ok() { "completed" } else { "failed" };
            StepEnded { attempt: end.attempt, status, step: &end.step_id }
        })
        .collect();
    let ended = (!steps.is_empty())
        .then(|| (EventType::RunStepsFinished, Detail::of(&StepsEnded { steps: &steps })));
    let waits = batch.waits.iter().map(|(step, signal, ask)| {
        (EventType::RunWaiting, json!({ "step": step, "signal": signal, "ask": ask }).into())
    });
    let all = started.into_iter().chain(ended).chain(waits);
    all.map(|(kind, data)| settle::event(job, kind, data)).collect()
}

/// Starts the workflow a step names, once. What cannot be started is answered at once.
pub(super) async fn start_child(
    tx: &mut Tx,
    ctx: &TenantCtx,
    run: &RunId,
    child: &Child,
) -> Result<()> {
    let workflow = match named(tx, ctx, run, &child.workflow).await {
        Ok(workflow) => workflow,
        Err(error) if error.is_transient() => return Err(error),
        Err(error) => {
            let signal = PendingSignal {
                id: format!("refused:{}", child.key_suffix),
                name: format!("{CHILD_SIGNAL}{}", child.id),
                value: json!({ "error": Failure::from(&error) }).into(),
            };
            return Ok(tx.put_signal(ctx, run, &signal).await.map(drop)?);
        }
    };
    let new = NewRun {
        dedupe_key: Some(format!("child:{run}/{}", child.key_suffix)),
        parent: Some((run.clone(), child.id.clone())),
        ..workflows::new_run(&workflow, "workflow", child.input.clone())
    };
    tx.insert_run(ctx, new).await.map(drop)
}

async fn named(tx: &mut Tx, ctx: &TenantCtx, run: &RunId, name: &str) -> Result<WorkflowRow> {
    let (mut above, mut nested) = (Some(run.clone()), 0);
    while let Some(run) = above {
        above = tx.parent_run(ctx, &run).await?;
        nested += 1;
        if nested >= MAX_NESTED_RUNS {
            let message = format!("runs may wait for each other {MAX_NESTED_RUNS} deep at most");
            return Err(Error::invalid("workflow", message));
        }
    }
    if let Some(id) = WorkflowId::parse(name)
        && let Some(found) = tx.workflow(ctx, &id).await?
    {
        return Ok(found);
    }
    let found = tx.workflow_by_name(ctx, name).await?;
    found.ok_or_else(|| Error::not_found(&format!("workflow `{name}`")))
}
