//! What a caller is told that waits for a run to end.

use std::time::Duration;

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use connectus_core::{
    Code, Error, TenantCtx,
    run::{Run, RunStatus},
    workflow::trigger::MAX_ANSWER_WITHIN,
};
use connectus_engine::answers::Awaited;
use serde::Serialize;
use serde_json::json;

use super::FailureView;
use crate::{
    app::App,
    http::{ApiResult, Patience, Problem},
};

/// The longest that a caller may wait.
pub const MAX_WAIT: Duration = Duration::from_millis(MAX_ANSWER_WITHIN.millis());

/// Where a run is found.
pub fn location(run: &Run) -> String {
    format!("/api/v1/runs/{}", run.id)
}

/// Waits for a run, until it ends, the time is over or the process stops. The request may take so
/// much longer.
pub async fn wait(
    app: &App,
    patience: &Patience,
    ctx: &TenantCtx,
    awaited: Awaited,
    within: Duration,
) -> ApiResult<Run> {
    patience.extend(within);
    Ok(awaited.answer(app.store(), ctx, within, &app.stopping).await?)
}

/// What is said of a run that was waited for: what `ended` makes of it, or why it failed, or what
/// `under_way` says with 202.
pub fn of<E: Serialize, U: Serialize>(
    run: Run,
    ended: impl FnOnce(Run) -> E,
    under_way: impl FnOnce(Run) -> U,
) -> Response {
    let place = [(header::LOCATION, location(&run))];
    match run.status {
        RunStatus::Completed => (place, Json(ended(run))).into_response(),
        RunStatus::Failed | RunStatus::Cancelled => (place, failed(run)).into_response(),
        _ => (StatusCode::ACCEPTED, place, Json(under_way(run))).into_response(),
    }
}

/// The problem that a run which ended badly is to whoever waits for it.
fn failed(run: Run) -> Problem {
    let (id, status) = (run.id.to_string(), run.status.name());
    let detail = match &run.error {
        Some(failure) if run.status == RunStatus::Failed => {
            format!("The run {id} failed: {}", failure.message)
        }
        _ => format!("The run {id} was cancelled before it had an answer."),
    };
    let error = Error::new(Code::RunFailed, detail).with("run_id", id).with("run_status", status);
    Problem(error.with("error", json!(run.error.map(FailureView::of))))
}
