//! `POST /api/v1/data-flows/{id}/resync`.

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

/// Sync a data flow in full: read everything again.
///
/// That finds what is gone at the provider, which `options.deletes` says what to do about.
#[utoipa::path(post, path = "/api/v1/data-flows/{id}/resync", tag = "data flows",
    params(("id" = String, Path)), responses((status = 202, body = RunView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<Response> {
    let id = super::id(&id)?;
    let run = flows::resync(&app.engine_parts, &caller.ctx, &id).await?;
    let location = [(header::LOCATION, format!("/api/v1/runs/{}", run.id))];
    Ok((StatusCode::ACCEPTED, location, Json(RunView::of(run))).into_response())
}
