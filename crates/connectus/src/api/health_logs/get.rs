//! `GET /api/v1/health-logs/{id}`.

use axum::{
    Json,
    extract::{Path, State},
};

use super::HealthLogView;
use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// Get a problem.
#[utoipa::path(get, path = "/api/v1/health-logs/{id}", tag = "health",
    params(("id" = String, Path)), responses((status = 200, body = HealthLogView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<Json<HealthLogView>> {
    let found = app.store().read().await?.health_log(&caller.ctx, &super::id(&id)?).await?;
    Ok(Json(HealthLogView::of(found.ok_or_else(super::unknown)?)))
}
