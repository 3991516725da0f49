//! One attempt of one step.

use std::{sync::Arc, time::Duration};

use connectus_core::{
    Code, Error, TenantCtx, Timestamp,
    run::{Failure, Run},
};
use serde_json::Value;

use super::session::{effect_key, open::OpenStep};
use crate::{actions, parts::Parts};

/// Longest an attempt takes when its step says nothing.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(120);

/// What an attempt needs, owned, so that it can be under way while the session goes on.
pub(super) struct Attempt {
    pub parts: Parts,
    pub ctx: TenantCtx,
    pub run: Arc<Run>,
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
    /// The key of the effect that was sent, if one was.
    pub effect: Option<String>,
}

impl Landed {
    /// An attempt that was under way when the process died, of an action that must not be repeated.
    pub fn unknown(id: &str, attempt: u32, started_at: Timestamp) -> Self {
        let failure = Failure {
            code: "outcome_unknown".to_owned(),
            message: "The process ended while this step was being executed, and the provider \
                      cannot tell whether it happened. Look there, then retry the run if it did not."
                .to_owned(),
            transient: false,
            retry_after: None,
        };
        Self { id: id.to_owned(), attempt, started_at, outcome: Err(failure), effect: None }
    }
}

/// Makes one attempt, within its time, unless it is stopped.
pub(super) async fn attempt(attempt: Attempt) -> Landed {
    let Attempt { parts, ctx, run, id, open, kind } = attempt;
    let started_at = parts.env().now();
    let key = effect_key(&run, &open.key_suffix);
    let cx = actions::ActionCx {
        parts: &parts,
        ctx: &ctx,
        run: &run,
        connection: open.connection.as_deref(),
        key: &key,
    };
    let limit = open
        .policy
        .timeout
        .map_or(DEFAULT_TIMEOUT, |timeout| Duration::from_millis(timeout.millis()));
    let outcome = tokio::select! {
        biased;
        () = open.stop.cancelled() => Err(Failure::cancelled()),
        done = tokio::time::timeout(limit, actions::perform(&cx, &open.action, &open.input)) => {
            match done {
                Ok(outcome) => outcome.map_err(|error| Failure::from(&error)),
                Err(_) => Err(Failure::from(&timed_out(limit))),
            }
        }
    };
    let status = if outcome.is_ok() { "success" } else { "failure" };
    metrics::counter!("connectus_steps_total", "status" => status).increment(1);
    let effect = (kind != actions::LOCAL).then_some(key);
    Landed { id, attempt: open.failed + 1, started_at, outcome, effect }
}

fn timed_out(limit: Duration) -> Error {
    let message = format!("The step did not end within {} seconds.", limit.as_secs());
    Error::new(Code::Timeout, message)
}
