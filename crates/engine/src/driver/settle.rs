//! How runs end and rest: one transaction for the run, its counters, its event.

use connectus_core::{
    Error, Result, RunId, TenantCtx, Timestamp,
    event::EventType,
    run::{Failure, Run, RunKind, RunStatus},
};
use connectus_store::{Tx, journal::PendingSignal};
use serde_json::{Value, json};

use crate::parts::Parts;

/// How a run ended.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    Completed(Value),
    /// Why, and what there is to say about it: the step at fault, what was undone.
    Failed(Failure, Option<Value>),
    Cancelled,
}

impl Outcome {
    fn status(&self) -> RunStatus {
        match self {
            Self::Completed(_) => RunStatus::Completed,
            Self::Failed(..) => RunStatus::Failed,
            Self::Cancelled => RunStatus::Cancelled,
        }
    }

    fn event(&self, kind: RunKind) -> EventType {
        match (kind, self) {
            (RunKind::Workflow, Self::Completed(_)) => EventType::RunCompleted,
            (RunKind::Workflow, Self::Failed(..)) => EventType::RunFailed,
            (RunKind::Workflow, Self::Cancelled) => EventType::RunCancelled,
            (RunKind::Sync, Self::Completed(_)) => EventType::SyncCompleted,
            (RunKind::Sync, Self::Failed(..)) => EventType::SyncFailed,
            (RunKind::Sync, Self::Cancelled) => EventType::SyncCancelled,
        }
    }
}

/// The event that says a run of a kind began.
pub(super) fn started(kind: RunKind) -> EventType {
    match kind {
        RunKind::Workflow => EventType::RunStarted,
        RunKind::Sync => EventType::SyncStarted,
    }
}

/// Marks a run as begun, once.
pub(super) async fn begin(tx: &mut Tx, ctx: &TenantCtx, run: &Run) -> Result<()> {
    tx.begin_run(ctx, &run.id).await?;
    if run.started_at.is_none() {
        let data = json!({ "subject_id": run.subject_id, "trigger": run.trigger });
        tx.emit(ctx, started(run.kind), run.id.as_str(), data).await?;
    }
    Ok(())
}

/// Ends a run within a transaction.
pub(super) async fn end(
    tx: &mut Tx,
    ctx: &TenantCtx,
    run: &Run,
    outcome: &Outcome,
) -> Result<()> {
    let (output, error) = match outcome {
        Outcome::Completed(output) => (Some(output), None),
        Outcome::Failed(failure, detail) => (detail.as_ref(), Some(failure.clone())),
        Outcome::Cancelled => (None, Some(Failure::cancelled())),
    };
    tx.finish_run(ctx, &run.id, outcome.status(), output, error.as_ref()).await?;
    if let Some((parent, step)) = &run.parent {
        let value = json!({ "output": output, "error": error });
        tx.put_signal(ctx, parent, &child_signal(&run.id, step, value)).await?;
    }
    if run.kind == RunKind::Workflow {
        let success = matches!(outcome, Outcome::Completed(_));
        tx.count_execution(ctx, &run.subject_id, success).await?;
    }
    let data = json!({
        "subject_id": run.subject_id,
        "status": outcome.status(),
        "error": error,
    });
    tx.emit(ctx, outcome.event(run.kind), run.id.as_str(), data).await?;
    let status = if error.is_none() { "success" } else { "failure" };
    metrics::counter!("connectus_runs_total", "kind" => run.kind.name(), "status" => status)
        .increment(1);
    Ok(())
}

/// Signals whose name begins so tell a run that a child of it has ended; nobody else may send them.
pub const CHILD_SIGNAL: &str = "child:";

fn child_signal(child: &RunId, step: &str, value: Value) -> PendingSignal {
    PendingSignal { id: child.to_string(), name: format!("{CHILD_SIGNAL}{step}"), value }
}

/// Ends a run in a transaction of its own.
pub(super) async fn finish(
    parts: &Parts,
    ctx: &TenantCtx,
    run: &Run,
    outcome: Outcome,
) -> Result<()> {
    let (ctx, run) = (ctx.clone(), run.clone());
    parts
        .store
        .write(move |tx| Box::pin(async move { end(tx, &ctx, &run, &outcome).await }))
        .await
}

/// Ends a run as failed.
pub(super) async fn fail_run(
    parts: &Parts,
    ctx: &TenantCtx,
    run: &Run,
    error: &Error,
) -> Result<()> {
    finish(parts, ctx, run, Outcome::Failed(Failure::from(error), None)).await
}

/// Puts a run to rest until a time.
pub(super) async fn rest(
    parts: &Parts,
    ctx: &TenantCtx,
    run: &Run,
    due: Timestamp,
    attempts: u32,
) -> Result<()> {
    let (ctx, id) = (ctx.clone(), run.id.clone());
    parts
        .store
        .write(move |tx| {
            Box::pin(async move { Ok(tx.suspend_run(&ctx, &id, due, attempts).await?) })
        })
        .await
}
