//! Work on one run, and what happens when the database or the code fails under it.

use std::{panic::AssertUnwindSafe, time::Duration};

use connectus_core::{
    Error, Result,
    run::{Failure, RunKind},
};
use futures::FutureExt;
use tokio::sync::Notify;

use super::{
    Engine, backoff,
    job::Job,
    session::{self, Begun},
    settle::{self, Outcome},
    sync_run,
};

/// Deaths of the process in a row, the run getting no further in between, after which the run is
/// set apart as poisonous. It waits longer after each, eight minutes in all.
pub(super) const MAX_CRASHES: u32 = 15;
/// Further deaths after which a run that was set apart and cancelled ends without being undone.
const MAX_CRASHES_STOPPING: u32 = 5;
/// Interruptions in a row by the database or the code after which a run is given up.
const MAX_INTERRUPTIONS: u32 = 20;
/// Time between two tries to put an interrupted run to rest.
const TRY_REST_EVERY: Duration = Duration::from_secs(1);

/// How work on a run begins.
pub(super) enum Work {
    /// Its turn has come.
    Claimed,
    /// It had begun before it was written down.
    Born(Begun),
}

impl Engine {
    /// Works on a run until it ends or rests. Never fails: what goes wrong is put to rest with it.
    pub(super) async fn work_on(&self, job: &Job, work: Work, nudge: &Notify) {
        let work = AssertUnwindSafe(self.work(job, work, nudge)).catch_unwind();
        let outcome = work.await.unwrap_or_else(|_| Err(Error::internal("work on a run panicked")));
        if let Err(error) = outcome {
            self.rest_after(job, &error).await;
        }
    }

    async fn work(&self, job: &Job, work: Work, nudge: &Notify) -> Result<()> {
        if let Work::Born(begun) = work {
            return begun.work(nudge, &self.draining).await;
        }
        if job.run.crashes >= MAX_CRASHES {
            if !job.run.cancel_requested {
                return settle::quarantine(job, job.run.crashes).await;
            }
            if job.run.crashes >= MAX_CRASHES + MAX_CRASHES_STOPPING {
                return settle::give_up(job, Outcome::Cancelled).await;
            }
        }
        match job.run.kind {
            RunKind::Workflow => session::work(job, nudge, &self.draining).await,
            // Apart: a workflow's task should not be as large as a sync's.
            RunKind::Sync => Box::pin(sync_run::work(job, nudge, &self.draining)).await,
        }
    }

    /// The database or the code failed under a run. Nothing is lost: it is due again later, and
    /// given up only after many such failures.
    async fn rest_after(&self, job: &Job, error: &Error) {
        tracing::warn!(
            action = "run.work",
            service = "engine",
            status = "failure",
            run = %job.run.id,
            error = %error,
            cause = error.cause.as_deref(),
            "work on a run was interrupted; it will be resumed"
        );
        while !self.draining.is_cancelled() {
            if self.try_rest(job, error).await.is_ok() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(TRY_REST_EVERY) => {}
                () = self.draining.cancelled() => {}
            }
        }
    }

    /// Puts an interrupted run to rest, unless it is no longer this engine's to put anywhere.
    async fn try_rest(&self, job: &Job, error: &Error) -> Result<()> {
        let attempts = job.run.attempts + 1;
        if attempts >= MAX_INTERRUPTIONS {
            return settle::give_up(job, Outcome::Failed(Failure::from(error), None)).await;
        }
        let due = backoff::run_due(&job.run.id, attempts, error, job.parts.env().now());
        settle::rest(job, due, attempts).await
    }
}
