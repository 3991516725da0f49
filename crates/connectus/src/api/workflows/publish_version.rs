//! `POST /api/v1/workflows/{id}/versions/{number}/publish`.

use axum::{
    extract::{Path, State},
    http::HeaderMap,
    response::Response,
};
use connectus_engine::workflows::versions;

use super::WorkflowView;
use crate::{
    app::App,
    http::{ApiResult, Caller, etag},
};

/// Publish a version: runs from now on pin it. An older one can be published again.
///
/// Runs under way keep the definition they started with.
#[utoipa::path(post, path = "/api/v1/workflows/{id}/versions/{number}/publish",
    tag = "workflows", params(("id" = String, Path), ("number" = String, Path)),
    responses((status = 200, body = WorkflowView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path((id, number)): Path<(String, String)>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let row = super::named(&app, &caller.ctx, &id).await?;
    etag::check(&headers, row.version)?;
    let number = super::number(&number)?;
    let row = versions::publish(&app.engine_parts, &caller.ctx, &row, number).await?;
    Ok(super::answer(&app, &caller.ctx, row).await?)
}
