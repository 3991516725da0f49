//! `POST /api/v1/data-flows/{id}/plans`.

use axum::{
    Json,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use connectus_engine::flows;

use super::PlanView;
use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// Make a plan of what a sync would do, without doing it.
///
/// A run makes it; follow that run, then look at the plan. It holds for a day, and until the flow
/// syncs or another plan of it is made.
#[utoipa::path(post, path = "/api/v1/data-flows/{id}/plans", tag = "data flows",
    params(("id" = String, Path)), responses((status = 202, body = PlanView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<Response> {
    let id = crate::api::data_flows::id(&id)?;
    let (plan, _) = flows::make_plan(&app.engine_parts, &caller.ctx, &id).await?;
    let location = format!("/api/v1/data-flows/{id}/plans/{}", plan.id);
    let location = [(header::LOCATION, location)];
    Ok((StatusCode::ACCEPTED, location, Json(PlanView::of(plan))).into_response())
}
