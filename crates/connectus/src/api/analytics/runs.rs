//! `GET /api/v1/analytics/runs`.

use axum::{
    Json,
    extract::{Query, State},
};
use connectus_core::analytics::RUNS;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{fold, outcomes::Outcomes, span};
use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// Which figures.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// The first day in UTC, `YYYY-MM-DD`; 29 days before `to` when absent.
    from: Option<String>,
    /// The last day in UTC, `YYYY-MM-DD`; today when absent.
    to: Option<String>,
    /// Only of this workflow.
    workflow_id: Option<String>,
}

/// Figures about runs of workflows.
#[derive(Serialize, ToSchema)]
pub struct RunAnalytics {
    /// By day and workflow, oldest day first.
    items: Vec<RunDay>,
    /// All of them together.
    totals: Outcomes,
    /// The first day looked at.
    from: String,
    /// The last day looked at.
    to: String,
    /// Events that have happened and are not counted yet.
    behind: u64,
}

/// Figures of a workflow on one day.
#[derive(Serialize, ToSchema)]
pub struct RunDay {
    /// The day in UTC.
    #[schema(example = "2026-06-12")]
    day: String,
    /// The workflow.
    workflow_id: String,
    /// Its figures.
    #[serde(flatten)]
    figures: Outcomes,
}

/// Figures about runs of workflows, by day and workflow.
///
/// They are made of events, a moment after these happened, and stay when the events are forgotten.
#[utoipa::path(get, path = "/api/v1/analytics/runs", tag = "analytics", params(Filter),
    responses((status = 200, body = RunAnalytics)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Query(asked): Query<Filter>,
) -> ApiResult<Json<RunAnalytics>> {
    let days = (asked.from.as_deref(), asked.to.as_deref());
    let found = span::read(&app, &caller.ctx, &RUNS, days, asked.workflow_id.as_deref()).await?;
    let folded = fold::by_day::<Outcomes>(found.sums);
    let item = |(day, workflow_id, figures)| RunDay { day, workflow_id, figures };
    Ok(Json(RunAnalytics {
        items: folded.items.into_iter().map(item).collect(),
        totals: folded.totals,
        from: found.from,
        to: found.to,
        behind: found.behind,
    }))
}
