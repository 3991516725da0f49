//! How runs end and rest: one transaction for the run, its counters, its event.
//!
//! On PostgreSQL rows stay locked until a transaction ends, so all of them lock in one order: runs
//! from child to parent, then the workflow, then the tenant, whose row counts events.

use connectus_core::{
    Error, Result, RunId, Timestamp,
    event::EventType,
    run::{Failure, Run, RunKind, RunStatus},
};
use connectus_store::{Tx, journal::PendingSignal, runs::RunNote};
use serde_json::{Value, json};

use super::job::{Job, lost};

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

    fn parts(&self) -> (Option<&Value>, Option<Failure>) {
        match self {
            Self::Completed(output) => (Some(output), None),
            Self::Failed(failure, detail) => (detail.as_ref(), Some(failure.clone())),
            Self::Cancelled => (None, Some(Failure::cancelled())),
        }
    }
}

/// The event that says a run begins, the first time.
pub(super) fn started(run: &Run) -> Option<(EventType, Value)> {
    let kind = match run.kind {
        RunKind::Workflow => EventType::RunStarted,
        RunKind::Sync => EventType::SyncStarted,
    };
    let data = json!({ "subject_id": run.subject_id, "trigger": run.trigger });
    run.started_at.is_none().then_some((kind, data))
}

/// Locks the run's row and makes sure that the run is still this engine's.
pub(super) async fn hold(tx: &mut Tx, job: &Job, note: &RunNote) -> Result<()> {
    if tx.hold_run(&job.claim, note).await? { Ok(()) } else { Err(lost()) }
}

/// Marks a run as begun, once.
pub(super) async fn begin(job: &Job) -> Result<()> {
    let owned = job.clone();
    job.parts
        .store
        .write(move |tx| {
            Box::pin(async move {
                hold(tx, &owned, &RunNote::default()).await?;
                if let Some((kind, data)) = started(&owned.run) {
                    tx.emit(&owned.ctx, kind, owned.run.id.as_str(), data).await?;
                }
                Ok(())
            })
        })
        .await
}

/// Ends a run within a transaction. Its last statements lock the tenant: nothing but events of
/// this run may follow.
pub(super) async fn end(tx: &mut Tx, job: &Job, outcome: &Outcome) -> Result<()> {
    let Job { ctx, run, .. } = job;
    let (output, error) = outcome.parts();
    if !tx.finish_run(&job.claim, outcome.status(), output, error.as_ref()).await? {
        return Err(lost());
    }
    tx.drop_signals(ctx, &run.id).await?;
    if let Some((parent, step)) = &run.parent {
        let value = json!({ "output": output, "error": error });
        // A parent that has ended meanwhile no longer waits.
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
pub(super) async fn finish(job: &Job, outcome: Outcome) -> Result<()> {
    let owned = job.clone();
    job.parts.store.write(move |tx| Box::pin(async move { end(tx, &owned, &outcome).await })).await
}

/// Ends a run as failed without asking its interpreter: nothing is undone, and the runs it started
/// are told to stop.
pub(super) async fn give_up(job: &Job, error: &Error) -> Result<()> {
    let (owned, failure) = (job.clone(), Failure::from(error));
    job.parts
        .store
        .write(move |tx| {
            Box::pin(async move {
                tx.request_children_cancel(&owned.ctx, &owned.run.id).await?;
                end(tx, &owned, &Outcome::Failed(failure, None)).await
            })
        })
        .await
}

/// Puts a run to rest until a time. A run that is no longer this engine's is left alone.
pub(super) async fn rest(job: &Job, due: Timestamp, attempts: u32) -> Result<()> {
    let claim = job.claim.clone();
    job.parts
        .store
        .write(move |tx| {
            Box::pin(async move { Ok(tx.rest_run(&claim, due, attempts).await.map(drop)?) })
        })
        .await
}
