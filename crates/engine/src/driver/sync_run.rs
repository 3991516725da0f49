//! Works on a run of a data flow. The sync itself moves its cursor with what it writes, so an
//! attempt that broke off is simply made again.

use std::time::Duration;

use connectus_core::{Code, Error, Result, run::Failure};
use serde_json::Value;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{
    backoff,
    job::Job,
    settle::{self, Outcome},
};
use crate::sync;

/// Attempts in a row, none of which got further, after which a sync is given up.
const MAX_ATTEMPTS: u32 = 8;

pub(super) async fn work(job: &Job, nudge: &Notify, draining: &CancellationToken) -> Result<()> {
    if job.run.cancel_requested {
        return settle::finish(job, Outcome::Cancelled).await;
    }
    settle::begin(job).await?;
    let stop = draining.child_token();
    let outcome = {
        let attempt = attempt(job, &stop);
        tokio::pin!(attempt);
        loop {
            tokio::select! {
                biased;
                outcome = &mut attempt => break outcome,
                () = nudge.notified() => {
                    let mut conn = job.parts.store.read().await?;
                    if conn.mail(&job.ctx, &job.run.id).await?.cancel {
                        stop.cancel();
                    }
                }
            }
        }
    };
    match outcome {
        Ok(output) => settle::finish(job, Outcome::Completed(output)).await,
        Err(_) if draining.is_cancelled() => {
            // The next start takes it up at once, from the cursor.
            settle::rest(job, job.parts.env().now(), job.run.attempts).await
        }
        Err(_) if stop.is_cancelled() => settle::finish(job, Outcome::Cancelled).await,
        Err(error) => try_again(job, &error).await,
    }
}

/// One attempt, within the time of its queue. What it has checkpointed until then stays.
async fn attempt(job: &Job, stop: &CancellationToken) -> Result<Value> {
    let work = sync::execute(&job.parts, &job.ctx, &job.run, stop);
    let Some(queue) = job.parts.queues.get(&job.run.queue) else { return work.await };
    let limit = Duration::from_secs(queue.timeout_secs);
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        let detail = format!("The sync did not end within {} seconds.", limit.as_secs());
        Err(Error::new(Code::Timeout, detail))
    })
}

/// Rests until the next attempt, unless there is none.
async fn try_again(job: &Job, error: &Error) -> Result<()> {
    let now = job.parts.store.read().await?.run(&job.ctx, &job.run.id).await?;
    // Checkpoints set the count back: it is of attempts that got no further.
    let attempts = now.map_or(job.run.attempts, |run| run.attempts) + 1;
    if !error.is_transient() || attempts >= MAX_ATTEMPTS {
        return settle::give_up(job, Outcome::Failed(Failure::from(error), None)).await;
    }
    let due = backoff::run_due(&job.run.id, attempts, error, job.parts.env().now());
    settle::rest(job, due, attempts).await
}
