//! `GET /api/v1/workflows/{id}/versions`.

use axum::{
    Json,
    extract::{Path, State},
};
use connectus_engine::workflows::versions;
use serde::Serialize;
use utoipa::ToSchema;

use super::VersionView;
use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// The versions of a workflow.
#[derive(Serialize, ToSchema)]
pub struct Versions {
    /// Newest first, without their definitions.
    items: Vec<VersionView>,
}

/// List the versions of a workflow: the 500 newest and the live one.
#[utoipa::path(get, path = "/api/v1/workflows/{id}/versions", tag = "workflows",
    params(("id" = String, Path)), responses((status = 200, body = Versions)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<Json<Versions>> {
    let row = super::named(&app, &caller.ctx, &id).await?;
    let all = versions::list(&app.engine_parts, &caller.ctx, &row).await?;
    let items = all.into_iter().map(|version| VersionView::of(version, None)).collect();
    Ok(Json(Versions { items }))
}
