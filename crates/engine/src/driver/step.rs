//! One attempt of one step.

use std::{panic::AssertUnwindSafe, time::Duration};

use connectus_connect::plan::outcome_unknown;
use connectus_core::{
    Code, Error, Timestamp,
    drill::{Moment, Site},
    queue,
    run::Failure,
};
use connectus_store::effects::Answer;
use futures::FutureExt;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{
    job::Job,
    session::{effect_key, open::OpenStep},
};
use crate::actions;

/// Longest an attempt takes when its step says nothing and its workflow names no queue. The other
/// queues are there for long work: in them it is the queue's own limit.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(120);
/// How long a call under way may still answer when its step is to stop: what is known to have been
/// done can be undone.
const STOP_GRACE: Duration = Duration::from_secs(3);

/// What an attempt needs, owned, so that it can be under way while the session goes on.
pub(super) struct Attempt {
    pub job: Job,
    pub id: String,
    pub open: OpenStep,
    pub kind: &'static str,
}

/// How an attempt ended.
#[derive(Debug)]
pub(super) struct Landed {
    pub id: String,
    pub attempt: u32,
    pub started_at: Timestamp,
    pub outcome: Result<Value, Failure>,
    /// Whether it failed and may have been done all the same.
    pub unsure: bool,
    /// The key of the effect that was sent, if one was.
    pub effect: Option<String>,
}

impl Landed {
    /// An attempt that was under way when the process died, of an action that must not be repeated.
    pub fn unknown(id: &str, attempt: u32, started_at: Timestamp, effect: String) -> Self {
        Self {
            id: id.to_owned(),
            attempt,
            started_at,
            outcome: Err(unknown_outcome("The process ended while this step was under way")),
            unsure: true,
            effect: Some(effect),
        }
    }

    /// What the effect ledger learns from it, under which key.
    pub fn answer(&self) -> Option<(String, Answer)> {
        let answer = match &self.outcome {
            Ok(output) => Answer::Done(output.clone()),
            Err(_) if self.unsure => Answer::Unknown,
            Err(_) => Answer::Refused,
        };
        self.effect.clone().map(|key| (key, answer))
    }
}

fn unknown_outcome(what: &str) -> Failure {
    Failure {
        code: "outcome_unknown".to_owned(),
        message: format!(
            "{what}, and the provider cannot tell whether it happened. Look there, then retry the \
             run if it did not."
        ),
        transient: false,
        retry_after: None,
    }
}

/// Makes one attempt, within its time, unless it is stopped.
pub(super) async fn attempt(attempt: Attempt) -> Landed {
    let Attempt { job, id, open, kind } = attempt;
    let started_at = job.parts.env().now();
    let key = effect_key(&job.run, &open.key_suffix);
    let cx = actions::ActionCx {
        parts: &job.parts,
        ctx: &job.ctx,
        run: &job.run,
        connection: open.connection.as_deref(),
        key: &key,
        unsure: open.unsure,
    };
    let performed = perform(&cx, &open, kind).await;
    let (outcome, unsure) = match performed {
        Ok(output) => (Ok(output), false),
        Err(error) if kind == AT_MOST_ONCE && outcome_unknown(&error) => {
            (Err(unknown_outcome(error.detail.trim_end_matches('.'))), true)
        }
        // A commit of our own whose answer was lost is as unknown as a call.
        Err(error) => {
            let unsure =
                outcome_unknown(&error) || (kind == actions::LOCAL && error.is_transient());
            (Err(Failure::from(&error)), unsure)
        }
    };
    let status = if outcome.is_ok() { "success" } else { "failure" };
    metrics::counter!("connectus_steps_total", "status" => status).increment(1);
    let effect = (kind != actions::LOCAL).then_some(key);
    Landed { id, attempt: open.failed + 1, started_at, outcome, unsure, effect }
}

/// The kind of actions whose unknown outcome only a person can settle.
pub(super) const AT_MOST_ONCE: &str = "at_most_once";

async fn perform(
    cx: &actions::ActionCx<'_>,
    open: &OpenStep,
    kind: &'static str,
) -> Result<Value, Error> {
    let says = open.policy.timeout.map(|timeout| Duration::from_millis(timeout.millis()));
    let limit = time_limit(cx, says);
    let action = AssertUnwindSafe(drilled(cx, open)).catch_unwind();
    tokio::select! {
        biased;
        done = tokio::time::timeout(limit, action) => match done {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(maybe_done(Error::internal("an action panicked"))),
            Err(_) => Err(maybe_done(timed_out(limit))),
        },
        // A write of our own cannot be called back, and is never long.
        () = stopped(&open.stop), if kind != actions::LOCAL => Err(maybe_done(Error::new(
            Code::Conflict,
            "The run was told to stop while this step was under way, and no answer came in time.",
        ))),
    }
}

/// Performs the action, where a drill can reach in.
async fn drilled(cx: &actions::ActionCx<'_>, open: &OpenStep) -> Result<Value, Error> {
    let env = cx.parts.env();
    env.pass(Site::Step, Moment::Before).await?;
    let output = actions::perform(cx, &open.action, &open.input).await?;
    env.pass(Site::Step, Moment::After).await?;
    Ok(output)
}

/// What the step says, within what its queue allows.
fn time_limit(cx: &actions::ActionCx<'_>, says: Option<Duration>) -> Duration {
    let queue = cx.parts.queues.get(&cx.run.queue);
    let most = queue.map_or(DEFAULT_TIMEOUT, |queue| Duration::from_secs(queue.timeout_secs));
    let usual = if cx.run.queue == queue::WORKFLOW { DEFAULT_TIMEOUT } else { most };
    says.unwrap_or(usual).min(most)
}

async fn stopped(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(STOP_GRACE).await;
}

fn maybe_done(error: Error) -> Error {
    use connectus_connect::plan::{OUTCOME, OUTCOME_UNKNOWN};
    error.with(OUTCOME, OUTCOME_UNKNOWN)
}

fn timed_out(limit: Duration) -> Error {
    let message = format!("The step did not end within {} seconds.", limit.as_secs());
    Error::new(Code::Timeout, message)
}
