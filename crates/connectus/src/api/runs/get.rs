//! `GET /api/v1/runs/{id}`.

use axum::{
    Json,
    extract::{Path, State},
};
use connectus_core::RunId;
use connectus_store::steps::{AttemptRow, StepRow};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{FailureView, RunView, seen};
use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// A run with everything it did.
#[derive(Serialize, ToSchema)]
pub struct RunDetail {
    /// The run.
    #[serde(flatten)]
    run: RunView,
    /// Its steps, in the order they began.
    steps: Vec<StepView>,
}

/// A step of a run.
#[derive(Serialize, ToSchema)]
pub struct StepView {
    /// The step's path within the run.
    id: String,
    /// What its author called it.
    name: String,
    /// The action.
    action: String,
    /// `running`, `retrying`, `completed` or `failed`.
    status: String,
    /// What it was given.
    #[schema(value_type = Object)]
    input: Value,
    /// What it made.
    #[schema(value_type = Option<Object>)]
    output: Option<Value>,
    /// Why it failed, last.
    error: Option<FailureView>,
    /// Whether it undoes another step.
    compensation: bool,
    /// Whether this run did not carry it out, but took it over from the run it repeats.
    reused: bool,
    /// Its attempts, oldest first; the one under way is not among them.
    attempts: Vec<AttemptView>,
    /// When the next attempt is due.
    next_attempt_at: Option<String>,
    /// When it began.
    started_at: String,
    /// When it ended.
    finished_at: Option<String>,
    /// Milliseconds from beginning to end.
    duration_ms: Option<i64>,
}

/// An attempt of a step.
#[derive(Serialize, ToSchema)]
pub struct AttemptView {
    /// From 1.
    number: u32,
    /// Why it failed, if it did.
    error: Option<FailureView>,
    /// When it began.
    started_at: String,
    /// When it ended.
    finished_at: String,
}

impl StepView {
    fn of(run: &RunId, step: StepRow, attempts: Vec<AttemptView>) -> Self {
        let duration = step.finished_at.map(|end| (end.0 - step.started_at.0) / 1_000);
        Self {
            id: step.step_id,
            name: step.name,
            action: step.action,
            status: step.status,
            input: seen(run, step.input),
            output: step.output.map(|output| seen(run, output)),
            error: step.error.map(FailureView::of),
            compensation: step.compensation,
            reused: step.reused,
            attempts,
            next_attempt_at: step.next_attempt_at.map(|at| at.to_string()),
            started_at: step.started_at.to_string(),
            finished_at: step.finished_at.map(|at| at.to_string()),
            duration_ms: duration,
        }
    }
}

impl AttemptView {
    fn of(attempt: &AttemptRow) -> Self {
        Self {
            number: attempt.attempt,
            error: attempt.error.clone().map(FailureView::of),
            started_at: attempt.started_at.to_string(),
            finished_at: attempt.finished_at.to_string(),
        }
    }
}

/// Get a run with its steps, their inputs, outputs, attempts and timing.
#[utoipa::path(get, path = "/api/v1/runs/{id}", tag = "runs",
    params(("id" = String, Path)), responses((status = 200, body = RunDetail)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<Json<RunDetail>> {
    let run = super::named(&app, &caller.ctx, &id).await?;
    let mut conn = app.store().read().await?;
    let steps = conn.steps(&caller.ctx, &run.id).await?;
    let attempts = conn.step_attempts(&caller.ctx, &run.id).await?;
    let steps = steps
        .into_iter()
        .map(|step| {
            let own = attempts.iter().filter(|attempt| attempt.step_id == step.step_id);
            let own = own.map(AttemptView::of).collect();
            StepView::of(&run.id, step, own)
        })
        .collect();
    Ok(Json(RunDetail { run: RunView::of(run), steps }))
}
