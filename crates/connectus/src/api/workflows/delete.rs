//! `DELETE /api/v1/workflows/{id}`.

use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
};
use connectus_engine::workflows;

use crate::{
    app::App,
    http::{ApiResult, Caller, etag},
};

/// Delete a workflow. Its runs stay.
#[utoipa::path(delete, path = "/api/v1/workflows/{id}", tag = "workflows",
    params(("id" = String, Path)), responses((status = 204)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> ApiResult<StatusCode> {
    let row = super::named(&app, &caller.ctx, &id).await?;
    etag::check(&headers, row.version)?;
    workflows::delete(&app.engine_parts, &caller.ctx, &row).await?;
    Ok(StatusCode::NO_CONTENT)
}
