//! `GET /api/v1/workflow-templates`.

use axum::Json;
use connectus_engine::workflows::templates;
use serde::Serialize;
use utoipa::ToSchema;

use super::TemplateView;
use crate::http::{ApiResult, Caller};

/// Workflows to begin with.
#[derive(Serialize, ToSchema)]
pub struct Templates {
    /// Without their definitions.
    items: Vec<TemplateView>,
}

/// List the workflow templates.
#[utoipa::path(get, path = "/api/v1/workflow-templates", tag = "workflows",
    responses((status = 200, body = Templates)))]
pub async fn handle(_: Caller) -> ApiResult<Json<Templates>> {
    let items = templates::all()?.iter().map(|one| TemplateView::of(one, false)).collect();
    Ok(Json(Templates { items }))
}
