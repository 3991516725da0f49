//! `POST /api/v1/data-flows/{id}/sync`.

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

/// Sync a data flow now.
///
/// While a sync of the flow is under way, that run is answered and no other is started.
#[utoipa::path(post, path = "/api/v1/data-flows/{id}/sync", tag = "data flows",
    params(("id" = String, Path)), responses((status = 202, body = RunView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<Response> {
    let id = super::id(&id)?;
    let run = flows::sync_now(&app.engine_parts, &caller.ctx, &id, "manual").await?;
    let location = [(header::LOCATION, format!("/api/v1/runs/{}", run.id))];
    Ok((StatusCode::ACCEPTED, location, Json(RunView::of(run))).into_response())
}
