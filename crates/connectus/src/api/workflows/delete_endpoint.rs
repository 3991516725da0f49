//! `DELETE /api/v1/workflows/{id}/endpoint`.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use connectus_engine::triggers::endpoint;

use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// Take a workflow's own address away: calls to it are answered with 404 from now on.
#[utoipa::path(delete, path = "/api/v1/workflows/{id}/endpoint", tag = "workflows",
    params(("id" = String, Path)), responses((status = 204)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    let row = super::named(&app, &caller.ctx, &id).await?;
    endpoint::delete(&app.engine_parts, &caller.ctx, &row).await?;
    Ok(StatusCode::NO_CONTENT)
}
