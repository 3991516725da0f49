//! `GET /api/v1/runs/{id}/compare/{other}`.

use axum::{
    Json,
    extract::{Path, State},
};
use connectus_core::{Timestamp, difference::Difference, run::Run};
use connectus_engine::compare::{Comparison, StepPair, compare};
use connectus_store::steps::StepRow;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{FailureView, OriginView};
use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// How two runs differ. `left` is the one whose path it is.
#[derive(Serialize, ToSchema)]
pub struct ComparisonView {
    /// The one.
    left: SideView,
    /// The other.
    right: SideView,
    /// Whether both run the same definition of the same workflow, or the same data flow.
    same_definition: bool,
    /// Differences between what they were given.
    input: Vec<DifferenceView>,
    /// Differences between what they made.
    output: Vec<DifferenceView>,
    /// Steps that are not the same: those of the one in its order, then those only the other has.
    /// How long a step took and how often it was tried does not count.
    steps: Vec<StepPairView>,
    /// How many steps are the same.
    same_steps: usize,
    /// Whether all differences are told; at most 1,000 values and 1,000 steps are.
    is_whole: bool,
}

/// One of the runs.
#[derive(Serialize, ToSchema)]
pub struct SideView {
    /// Identifier.
    id: String,
    /// `queued`, `running`, `waiting`, `completed`, `failed` or `cancelled`.
    status: &'static str,
    /// The workflow or data flow.
    subject_id: String,
    /// What started it.
    trigger: String,
    /// The run it repeats.
    origin: Option<OriginView>,
    /// Why it ended badly.
    error: Option<FailureView>,
    /// Milliseconds from beginning to end.
    duration_ms: Option<i64>,
}

/// A place at which two values differ.
#[derive(Serialize, ToSchema)]
pub struct DifferenceView {
    /// Where, as a JSON pointer; empty for the whole value.
    path: String,
    /// What the one has there; left out when it has nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    left: Option<Value>,
    /// What the other has there; left out when it has nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    right: Option<Value>,
}

/// A step that is not the same in both runs.
#[derive(Serialize, ToSchema)]
pub struct StepPairView {
    /// Its path.
    id: String,
    /// In the one; null when it did not begin it.
    left: Option<StepSideView>,
    /// In the other; null when it did not begin it.
    right: Option<StepSideView>,
    /// Differences between what it was given; none when only one run has it.
    input: Vec<DifferenceView>,
    /// Differences between what it made; none when only one run has it.
    output: Vec<DifferenceView>,
}

/// A step in one of the runs.
#[derive(Serialize, ToSchema)]
pub struct StepSideView {
    /// `running`, `retrying`, `completed` or `failed`.
    status: String,
    /// The action.
    action: String,
    /// Attempts begun.
    attempts: u32,
    /// Whether it was taken over from the run that this one repeats.
    reused: bool,
    /// Why it failed, last.
    error: Option<FailureView>,
    /// Milliseconds from beginning to end.
    duration_ms: Option<i64>,
}

impl ComparisonView {
    /// A comparison for callers.
    pub fn of(comparison: Comparison) -> Self {
        let same_definition = comparison.same_definition();
        let Comparison { left, right, input, output, steps, same_steps, is_whole } = comparison;
        Self {
            left: SideView::of(left),
            right: SideView::of(right),
            same_definition,
            input: told(input),
            output: told(output),
            steps: steps.into_iter().map(StepPairView::of).collect(),
            same_steps,
            is_whole,
        }
    }
}

impl SideView {
    fn of(run: Run) -> Self {
        Self {
            id: run.id.to_string(),
            status: run.status.name(),
            subject_id: run.subject_id,
            trigger: run.trigger,
            origin: run.origin.map(OriginView::of),
            error: run.error.map(FailureView::of),
            duration_ms: took(run.started_at, run.finished_at),
        }
    }
}

impl StepPairView {
    fn of(StepPair { id, left, right, input, output }: StepPair) -> Self {
        let side = |step: StepRow| StepSideView {
            duration_ms: took(Some(step.started_at), step.finished_at),
            status: step.status,
            action: step.action,
            attempts: step.attempts,
            reused: step.reused,
            error: step.error.map(FailureView::of),
        };
        let (left, right) = (left.map(side), right.map(side));
        Self { id, left, right, input: told(input), output: told(output) }
    }
}

impl DifferenceView {
    /// A difference for callers.
    pub fn of(Difference { path, left, right }: Difference) -> Self {
        Self { path, left, right }
    }
}

fn told(differences: Vec<Difference>) -> Vec<DifferenceView> {
    differences.into_iter().map(DifferenceView::of).collect()
}

fn took(from: Option<Timestamp>, until: Option<Timestamp>) -> Option<i64> {
    from.zip(until).map(|(from, until)| until.millis() - from.millis())
}

/// Compare two runs: what they were given, what they made, and step by step where they differ.
#[utoipa::path(get, path = "/api/v1/runs/{id}/compare/{other}", tag = "runs",
    params(("id" = String, Path), ("other" = String, Path)),
    responses((status = 200, body = ComparisonView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path((id, other)): Path<(String, String)>,
) -> ApiResult<Json<ComparisonView>> {
    let left = super::named(&app, &caller.ctx, &id).await?;
    let right = super::named(&app, &caller.ctx, &other).await?;
    let found = compare(&app.engine_parts, &caller.ctx, left, right).await?;
    Ok(Json(ComparisonView::of(found)))
}
