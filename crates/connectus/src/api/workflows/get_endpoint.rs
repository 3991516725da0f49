//! `GET /api/v1/workflows/{id}/endpoint`.

use axum::{
    Json,
    extract::{Path, State},
};
use connectus_engine::triggers::endpoint;

use super::endpoint::EndpointView;
use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// Get a workflow's own address, without its secret.
#[utoipa::path(get, path = "/api/v1/workflows/{id}/endpoint", tag = "workflows",
    params(("id" = String, Path)), responses((status = 200, body = EndpointView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<Json<EndpointView>> {
    let row = super::named(&app, &caller.ctx, &id).await?;
    let found = endpoint::find(&app.engine_parts, &caller.ctx, &row).await?;
    Ok(Json(EndpointView::of(&app, caller.ctx.tenant().as_str(), &found)))
}
