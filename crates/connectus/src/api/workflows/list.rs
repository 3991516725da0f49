//! `GET /api/v1/workflows`.

use axum::{
    Json,
    extract::{Query, State},
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{WorkflowView, create};
use crate::{
    app::App,
    http::{ApiResult, Caller, Paged, Paging, paging::PageQuery},
};

/// Which workflows to list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Only this status.
    status: Option<String>,
    /// Only those triggered by this integration.
    integration: Option<String>,
}

/// List workflows.
#[utoipa::path(get, path = "/api/v1/workflows", tag = "workflows",
    params(PageQuery, Filter), responses((status = 200, body = Paged<WorkflowView>)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Paging(page): Paging,
    Query(filter): Query<Filter>,
) -> ApiResult<Json<Paged<WorkflowView>>> {
    let status = super::status(filter.status.as_deref())?;
    let integration = create::integration(filter.integration.as_deref())?;
    let mut conn = app.store().read().await?;
    let found = conn.workflows(&caller.ctx, status, integration.as_ref(), page).await?;
    Ok(Json(Paged::of(found, page, |row| WorkflowView::of(row, None))))
}
