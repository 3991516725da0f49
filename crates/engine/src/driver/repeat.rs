//! Runs that repeat another one: all of it, from a step on, from any position on.
//!
//! What is taken over lies in the journal of the new run, so nothing of it is done again. What was
//! under way at that point has no answer there: the new run does it, under keys of its own.

use connectus_core::{
    Code, Error, FlowId, Result, TenantCtx, WorkflowId,
    event::EventType,
    run::{Failure, Origin, Run, RunKind, WorkflowStatus},
    workflow::Entry,
};
use connectus_store::{
    Tx,
    journal::PendingSignal,
    runs::{NewRun, OfRun},
};
use serde_json::{Value, json};

use super::{Engine, session::batch::Child, settle::CHILD_SIGNAL, turn};
use crate::{
    flows,
    history::{History, Open, Replica},
    workflows,
};

/// How to run something again.
#[derive(Clone, Debug)]
pub enum Rerun {
    /// From this step on, with what the steps before it made.
    FromStep(String),
    /// From the beginning with another input.
    WithInput {
        /// The input.
        input: Value,
        /// Whether to take the workflow's present definition, not the one the run pinned.
        current: bool,
    },
}

/// A run to be started, and what it takes over.
pub(super) struct Repeat {
    new: NewRun,
    /// What people did: `run.forked`.
    action: &'static str,
    past: Option<Past>,
}

impl Repeat {
    /// All of it, with the same input.
    pub fn whole(run: &Run) -> Self {
        Self { new: again(run, "retry", None), action: "run.retried", past: None }
    }

    /// The same one, however often it is asked for.
    pub fn once(mut self, key: String) -> Self {
        self.new.dedupe_key = Some(key);
        self
    }
}

/// The past that a run begins with.
struct Past {
    /// What the generation began with, when it is not the first one.
    continued: Option<Value>,
    replica: Replica,
}

impl Engine {
    /// Runs the same again, as a new run: same subject, same input, same definition.
    ///
    /// # Errors
    /// `conflict` while the run has not ended.
    pub async fn retry(&self, ctx: &TenantCtx, run: &Run) -> Result<Run> {
        has_ended(run)?;
        self.repeat(ctx, run, Repeat::whole(run)).await
    }

    /// Goes on from a past state of a run, as a new run with the same input and definition.
    ///
    /// # Errors
    /// `invalid` for a position there is not, `conflict` for one at which the run was over and for
    /// a run without a journal.
    pub async fn fork(&self, ctx: &TenantCtx, run: &Run, position: usize) -> Result<Run> {
        let history = History::read(&self.parts, ctx, run.clone()).await?;
        let mut replica = history.until(position)?;
        replica.resume(self.parts.env().now());
        let new = again(run, "fork", Some((position, None)));
        let past = Some(Past { continued: history.continued, replica });
        self.repeat(ctx, run, Repeat { new, action: "run.forked", past }).await
    }

    /// Runs the same again in part, or with another input, as a new run.
    ///
    /// # Errors
    /// `conflict` while the run has not ended, for a run without a journal, and when the present
    /// definition cannot be had; `invalid` for a step that the run did not begin.
    pub async fn rerun(&self, ctx: &TenantCtx, run: &Run, how: Rerun) -> Result<Run> {
        has_ended(run)?;
        let (new, past) = match how {
            Rerun::FromStep(step) => {
                let history = History::read(&self.parts, ctx, run.clone()).await?;
                let (position, mut replica) = history.before(&step)?;
                replica.resume(self.parts.env().now());
                let new = again(run, "rerun", Some((position, Some(step))));
                (new, Some(Past { continued: history.continued, replica }))
            }
            Rerun::WithInput { input, current } => {
                let new = NewRun { input: input.into(), ..again(run, "rerun", None) };
                (self.defined(ctx, run, new, current).await?, None)
            }
        };
        self.repeat(ctx, run, Repeat { new, action: "run.rerun", past }).await
    }

    /// The run with the definition that was asked for.
    async fn defined(
        &self,
        ctx: &TenantCtx,
        run: &Run,
        new: NewRun,
        current: bool,
    ) -> Result<NewRun> {
        if run.kind != RunKind::Workflow {
            let detail = "Only runs of workflows take an input; start the data flow instead.";
            return Err(Error::new(Code::Conflict, detail));
        }
        if !current {
            return Ok(new);
        }
        let id = WorkflowId::parse(&run.subject_id);
        let found = match &id {
            Some(id) => self.parts.store.read().await?.workflow(ctx, id).await?,
            None => None,
        };
        let gone = || {
            let detail = "The workflow was deleted: only the definition the run pinned is left.";
            Error::new(Code::Conflict, detail)
        };
        let workflow = found.ok_or_else(gone)?;
        if workflow.status == WorkflowStatus::Error {
            let detail = "The workflow is in status `error`: mend it and set it to `active` first.";
            return Err(Error::new(Code::Conflict, detail));
        }
        let NewRun { queue, priority, definition_hash, interp_version, turnstile, .. } =
            workflows::new_run(&workflow, "rerun", new.input.here()?.clone());
        Ok(NewRun { queue, priority, definition_hash, interp_version, turnstile, ..new })
    }

    async fn repeat(&self, ctx: &TenantCtx, run: &Run, repeat: Repeat) -> Result<Run> {
        let (ctx, before) = (ctx.clone(), run.clone());
        self.parts
            .store
            .write(move |tx| Box::pin(async move { insert(tx, &ctx, &before, repeat).await }))
            .await
    }
}

fn has_ended(run: &Run) -> Result<()> {
    if run.status.is_final() {
        return Ok(());
    }
    let detail = "The run has not ended yet. Cancel it first, or wait.";
    Err(Error::new(Code::Conflict, detail))
}

/// The same run once more.
fn again(run: &Run, trigger: &str, from: Option<(usize, Option<String>)>) -> NewRun {
    let (position, step) = from.unzip();
    let position = position.map(|position| u64::try_from(position).unwrap_or(u64::MAX));
    NewRun {
        queue: Some(run.queue.clone()),
        priority: run.priority,
        definition_hash: run.definition_hash.clone(),
        interp_version: run.interp_version,
        turnstile: run.turnstile.clone(),
        origin: Some(Origin { run: run.id.clone(), position, step: step.flatten() }),
        ..NewRun::new(run.kind, run.subject_id.clone(), trigger, run.input.clone())
    }
}

/// Accepts the new run with all it takes over, in one transaction.
pub(super) async fn insert(
    tx: &mut Tx,
    ctx: &TenantCtx,
    before: &Run,
    repeat: Repeat,
) -> Result<Run> {
    let Repeat { new, action, past } = repeat;
    let flow = match new.kind {
        RunKind::Sync => Some(free_flow(tx, ctx, before).await?),
        RunKind::Workflow => None,
    };
    let (run, is_new) = tx.insert_run(ctx, new).await?;
    if !is_new {
        return Ok(run);
    }
    if let Some(flow) = flow {
        tx.note_flow_run(ctx, &flow, &run.id).await?;
    }
    let mut waits = Vec::new();
    if let Some(past) = past.filter(|past| past.continued.is_some() || past.replica.has_begun()) {
        waits = take_over(tx, ctx, (before, &run), &past).await?;
    }
    let about = json!({
        "subject_id": run.subject_id, "trigger": run.trigger, "origin": run.origin,
    });
    tx.emit(ctx, EventType::RunCreated, run.id.as_str(), about).await?;
    for wait in waits {
        tx.emit(ctx, EventType::RunWaiting, run.id.as_str(), wait).await?;
    }
    let detail = json!({ "new_run": run.id, "origin": run.origin });
    tx.audit(ctx, action, before.id.as_str(), detail).await?;
    let stored = tx.run(ctx, &run.id).await?;
    Ok(stored.unwrap_or(run))
}

/// The data flow of a run, locked, if it is there and has no open run: it has one at a time.
async fn free_flow(tx: &mut Tx, ctx: &TenantCtx, before: &Run) -> Result<FlowId> {
    let gone = || Error::not_found("data flow");
    let flow = FlowId::parse(&before.subject_id).ok_or_else(gone)?;
    match flows::open_run(tx, ctx, &flow).await? {
        None => Ok(flow),
        Some(open) => {
            let detail = format!("The data flow is being synced by run {} already.", open.id);
            Err(Error::new(Code::Conflict, detail))
        }
    }
}

/// Writes what a run takes over and sets going what its interpreter has asked for already. Returns
/// what is to be told of waits.
async fn take_over(
    tx: &mut Tx,
    ctx: &TenantCtx,
    (before, run): (&Run, &Run),
    Past { continued, replica }: &Past,
) -> Result<Vec<Value>> {
    if let Some(continued) = continued {
        tx.continue_run(ctx, &run.id, continued).await?;
    }
    tx.take_over_steps(ctx, &before.id, &run.id, &replica.ended()).await?;
    let lines: Vec<String> = replica.entries.iter().map(Entry::to_json).collect();
    let entries: Vec<_> = (0..)
        .zip(&lines)
        .map(|(seq, line)| OfRun { tenant: &run.tenant, run: &run.id, what: (seq, line.as_str()) })
        .collect();
    tx.append_journal(&entries).await?;
    if let Some(progress) = &replica.progress {
        tx.set_run_progress(ctx, &run.id, progress).await?;
    }
    let mut waits = Vec::new();
    for open in replica.open() {
        match open {
            Open::Child { id, workflow, input, key_suffix } => {
                let child = Child { id, workflow, input, key_suffix };
                turn::start_child(tx, ctx, &run.id, &child).await?;
            }
            Open::StoppedChild { id } => {
                let signal = PendingSignal {
                    id: format!("stopped:{id}"),
                    name: format!("{CHILD_SIGNAL}{id}"),
                    value: json!({ "error": Failure::cancelled() }).into(),
                };
                tx.put_signal(ctx, &run.id, &signal).await?;
            }
            Open::Signal { id, name, meta } => {
                waits.push(json!({ "step": id, "signal": name, "ask": meta }));
            }
        }
    }
    Ok(waits)
}
