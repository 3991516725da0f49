//! How runs end and rest: one transaction for the run, its counters, its event.
//!
//! On PostgreSQL rows stay locked until a transaction ends, so all of them lock in one order: runs
//! from child to parent, then the workflow, then the tenant, whose row counts events.

use connectus_core::{
    Result, RunId, TenantCtx, Timestamp,
    drill::Site,
    event::{Detail, EventType},
    run::{Failure, Run, RunKind, RunStatus},
};
use connectus_store::{
    Tx,
    ends::Ended,
    events::NewEvent,
    journal::PendingSignal,
    runs::{Ending, OfRun, RunNote},
};
use serde::Serialize;
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
    pub fn status(&self) -> RunStatus {
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

    pub fn parts(&self) -> (Option<&Value>, Option<Failure>) {
        match self {
            Self::Completed(output) => (Some(output), None),
            Self::Failed(failure, detail) => (detail.as_ref(), Some(failure.clone())),
            Self::Cancelled => (None, Some(Failure::cancelled())),
        }
    }
}

/// What is said of a run that was accepted, and of one that begins.
pub(super) fn about(run: &Run) -> Detail {
    #[derive(Serialize)]
    struct About<'a> {
        subject_id: &'a str,
        trigger: &'a str,
    }
    Detail::of(&About { subject_id: &run.subject_id, trigger: &run.trigger })
}

/// The event that says a run begins, the first time.
pub(super) fn started(run: &Run) -> Option<(EventType, Detail)> {
    let kind = match run.kind {
        RunKind::Workflow => EventType::RunStarted,
        RunKind::Sync => EventType::SyncStarted,
    };
    run.started_at.is_none().then(|| (kind, about(run)))
}

/// An event about a run.
pub(super) fn event(job: &Job, kind: EventType, data: impl Into<Detail>) -> NewEvent {
    let (tenant, subject) = (job.ctx.tenant().clone(), job.run.id.to_string());
    NewEvent { tenant, kind, subject, data: data.into() }
}

/// Marks a run as begun, once.
pub(super) async fn begin(job: &Job) -> Result<()> {
    let owned = job.clone();
    job.parts
        .store
        .write_at(&[Site::Turn], move |tx| {
            Box::pin(async move {
                if tx.hold_runs(&[(&owned.claim, &RunNote::default())]).await?.is_empty() {
                    return Err(lost());
                }
                let started = started(&owned.run).map(|(kind, data)| event(&owned, kind, data));
                tx.emit_all(started.into_iter().collect()).await
            })
        })
        .await
}

/// The end of a run, as its row learns of it.
pub(super) fn ending<'o>(outcome: &'o Outcome, progress: Option<&'o Value>) -> Ending<'o> {
    let (output, error) = outcome.parts();
    Ending { status: outcome.status(), output, error, progress }
}

/// Ends a run within a transaction.
async fn end(tx: &mut Tx, job: &Job, outcome: &Outcome) -> Result<()> {
    if tx.finish_runs(&[(&job.claim, ending(outcome, None))]).await?.is_empty() {
        return Err(lost());
    }
    forget_mail(tx, &[job]).await?;
    let events = follow(tx, &[(job, outcome)]).await?;
    tx.emit_all(events).await
}

/// Forgets the signals of runs that have ended.
///
/// # Errors
/// What the database says.
pub(super) async fn forget_mail(tx: &mut Tx, ended: &[&Job]) -> Result<()> {
    let runs: Vec<_> = ended
        .iter()
        .map(|job| OfRun { tenant: job.ctx.tenant(), run: &job.run.id, what: () })
        .collect();
    Ok(tx.drop_signals(&runs).await?)
}

/// What follows from the ends of runs, whose rows know of it already. Returns the events that say
/// so, which come last: they lock the tenants.
///
/// # Errors
/// What the database says.
pub(super) async fn follow(tx: &mut Tx, ends: &[(&Job, &Outcome)]) -> Result<Vec<NewEvent>> {
    if ends.is_empty() {
        return Ok(Vec::new());
    }
    for (job, outcome) in ends {
        tell_parent(tx, job, outcome).await?;
    }
    let workflows = ends.iter().filter(|(job, _)| job.run.kind == RunKind::Workflow);
    let counted = workflows.map(|(job, outcome)| {
        let success = matches!(outcome, Outcome::Completed(_));
        (job.ctx.tenant(), job.run.subject_id.as_str(), success)
    });
    tx.count_executions(counted).await?;
    Ok(ends.iter().map(|(job, outcome)| ended(job, outcome)).collect())
}

/// Tells callers that wait for runs how they end, so that they need not read it.
pub(super) fn tell_waiting(tx: &mut Tx, ends: &[(&Job, &Outcome)]) {
    for (job, outcome) in ends {
        if job.parts.store.ends().are_awaited(&job.run.id) {
            let (output, error) = outcome.parts();
            let ended = Ended { status: outcome.status(), output: output.cloned(), error };
            tx.tell_end(&job.run.id, ended);
        }
    }
}

/// A parent that has ended meanwhile no longer waits.
async fn tell_parent(tx: &mut Tx, job: &Job, outcome: &Outcome) -> Result<()> {
    if let Some((parent, step)) = &job.run.parent {
        let (output, error) = outcome.parts();
        let value = json!({ "output": output, "error": error });
        tx.put_signal(&job.ctx, parent, &child_signal(&job.run.id, step, value)).await?;
    }
    Ok(())
}

fn ended(job: &Job, outcome: &Outcome) -> NewEvent {
    #[derive(Serialize)]
    struct Ended<'a> {
        error: Option<Failure>,
        status: RunStatus,
        subject_id: &'a str,
        took_ms: i64,
    }
    let (_, error) = outcome.parts();
    let status = if error.is_none() { "success" } else { "failure" };
    metrics::counter!("connectus_runs_total", "kind" => job.run.kind.name(), "status" => status)
        .increment(1);
    let (status, subject_id, took_ms) = (outcome.status(), &*job.run.subject_id, took_ms(job));
    let data = Detail::of(&Ended { error, status, subject_id, took_ms });
    event(job, outcome.event(job.run.kind), data)
}

/// Milliseconds since the run was accepted, rests included.
fn took_ms(job: &Job) -> i64 {
    let now = job.parts.env().now();
    now.millis().saturating_sub(job.run.created_at.millis()).max(0)
}

/// Signals whose name begins so tell a run that a child of it has ended; nobody else may send them.
pub const CHILD_SIGNAL: &str = "child:";

fn child_signal(child: &RunId, step: &str, value: Value) -> PendingSignal {
    let name = format!("{CHILD_SIGNAL}{step}");
    PendingSignal { id: child.to_string(), name, value: value.into() }
}

/// Ends a run in a transaction of its own.
pub(super) async fn finish(job: &Job, outcome: Outcome) -> Result<()> {
    let owned = job.clone();
    job.parts
        .store
        .write_at(&[Site::End], move |tx| Box::pin(async move { end(tx, &owned, &outcome).await }))
        .await
}

/// Ends a run as failed, or as cancelled, without asking its interpreter: nothing is undone, and
/// the runs it started are told to stop.
pub(super) async fn give_up(job: &Job, outcome: Outcome) -> Result<()> {
    let owned = job.clone();
    job.parts
        .store
        .write_at(&[Site::End], move |tx| {
            Box::pin(async move {
                tx.request_children_cancel(&owned.ctx, &owned.run.id).await?;
                tx.stop_steps(&owned.ctx, &owned.run.id).await?;
                end(tx, &owned, &outcome).await
            })
        })
        .await
}

/// Steps under way that the reason of a quarantine names at most.
const NAMED_STEPS: usize = 5;

/// Sets a run apart: it stays as it is, and nothing is done until a person decides.
pub(super) async fn quarantine(job: &Job, deaths: u32) -> Result<()> {
    let owned = job.clone();
    job.parts
        .store
        .write_at(&[Site::Rest], move |tx| {
            Box::pin(async move {
                let rows = tx.steps(&owned.ctx, &owned.run.id).await?;
                let under_way = rows.iter().filter(|row| row.status == "running");
                let steps: Vec<&str> = under_way.map(|row| row.step_id.as_str()).collect();
                let why = why_apart(deaths, &steps);
                if !tx.quarantine_run(&owned.claim, &why).await? {
                    return Err(lost());
                }
                let data = json!({
                    "subject_id": owned.run.subject_id, "kind": owned.run.kind,
                    "deaths": deaths, "step": steps.first(), "error": why,
                });
                tx.emit_all(vec![event(&owned, EventType::RunQuarantined, data)]).await
            })
        })
        .await
}

fn why_apart(deaths: u32, steps: &[&str]) -> Failure {
    let named = steps.get(..NAMED_STEPS.min(steps.len())).unwrap_or_default().join("`, `");
    let place = if steps.is_empty() { String::new() } else { format!(", at step `{named}`") };
    Failure {
        code: "quarantined".to_owned(),
        message: format!(
            "The process ended {deaths} times while working on this run{place}. Nothing is done \
             until someone releases the run or cancels it."
        ),
        transient: false,
        retry_after: None,
    }
}

/// Lets a run go on that was set apart, within a transaction. False when it is not.
pub(super) async fn release(tx: &mut Tx, ctx: &TenantCtx, run: &Run) -> Result<bool> {
    if !tx.let_run_go(ctx, &run.id).await? {
        return Ok(false);
    }
    let data = json!({ "subject_id": run.subject_id, "kind": run.kind });
    tx.emit(ctx, EventType::RunReleased, run.id.as_str(), data).await?;
    tx.audit(ctx, "run.released", run.id.as_str(), json!({})).await?;
    Ok(true)
}

/// Puts a run to rest until a time. A run that is no longer this engine's is left alone.
pub(super) async fn rest(job: &Job, due: Timestamp, attempts: u32) -> Result<()> {
    let claim = job.claim.clone();
    job.parts
        .store
        .write_at(&[Site::Rest], move |tx| {
            Box::pin(async move { Ok(tx.rest_run(&claim, due, attempts).await.map(drop)?) })
        })
        .await
}
