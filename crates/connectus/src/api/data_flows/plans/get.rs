//! `GET /api/v1/data-flows/{id}/plans/{plan}`.

use axum::{
    Json,
    extract::{Path, State},
};

use super::PlanView;
use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// Get a plan.
#[utoipa::path(get, path = "/api/v1/data-flows/{id}/plans/{plan}", tag = "data flows",
    params(("id" = String, Path), ("plan" = String, Path)),
    responses((status = 200, body = PlanView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path((id, plan)): Path<(String, String)>,
) -> ApiResult<Json<PlanView>> {
    Ok(Json(PlanView::of(super::named(&app, &caller.ctx, &id, &plan).await?)))
}
