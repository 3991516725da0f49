//! `GET /api/v1/workflow-templates/{id}`.

use axum::{Json, extract::Path};
use connectus_engine::workflows::templates;

use super::TemplateView;
use crate::http::{ApiResult, Caller};

/// Get a workflow template, with its definition.
#[utoipa::path(get, path = "/api/v1/workflow-templates/{id}", tag = "workflows",
    params(("id" = String, Path)), responses((status = 200, body = TemplateView)))]
pub async fn handle(_: Caller, Path(id): Path<String>) -> ApiResult<Json<TemplateView>> {
    Ok(Json(TemplateView::of(templates::find(&id)?, true)))
}
