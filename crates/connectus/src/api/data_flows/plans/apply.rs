//! `POST /api/v1/data-flows/{id}/plans/{plan}/apply`.

use axum::{
    Json,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use connectus_engine::flows;

use crate::{
    api::runs::RunView,
    app::App,
    http::{ApiResult, Caller},
};

/// Apply a plan: a run does exactly what it says.
///
/// All rows are looked at before the first is written. Where what the plan compared with has
/// changed, the run fails with `conflict` and nothing is written.
#[utoipa::path(post, path = "/api/v1/data-flows/{id}/plans/{plan}/apply", tag = "data flows",
    params(("id" = String, Path), ("plan" = String, Path)),
    responses((status = 202, body = RunView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path((id, plan)): Path<(String, String)>,
) -> ApiResult<Response> {
    let plan = super::named(&app, &caller.ctx, &id, &plan).await?;
    let run = flows::apply_plan(&app.engine_parts, &caller.ctx, &plan).await?;
    let location = [(header::LOCATION, format!("/api/v1/runs/{}", run.id))];
    Ok((StatusCode::ACCEPTED, location, Json(RunView::of(run))).into_response())
}
