//! `GET /api/v1/workflows/{id}/versions/{number}`.

use axum::{
    Json,
    extract::{Path, State},
};
use connectus_engine::workflows::versions;

use super::VersionView;
use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// Get a version of a workflow, with its definition.
#[utoipa::path(get, path = "/api/v1/workflows/{id}/versions/{number}", tag = "workflows",
    params(("id" = String, Path), ("number" = String, Path)),
    responses((status = 200, body = VersionView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path((id, number)): Path<(String, String)>,
) -> ApiResult<Json<VersionView>> {
    let parts = &app.engine_parts;
    let row = super::named(&app, &caller.ctx, &id).await?;
    let version = versions::get(parts, &caller.ctx, &row, super::number(&number)?).await?;
    let definition = versions::definition_of(parts, &caller.ctx, &version).await?;
    Ok(Json(VersionView::of(version, Some(definition))))
}
