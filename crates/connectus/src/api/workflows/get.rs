//! `GET /api/v1/workflows/{id}`.

use axum::{
    extract::{Path, State},
    response::Response,
};

use super::WorkflowView;
use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// Get a workflow, with the graph that it means.
#[utoipa::path(get, path = "/api/v1/workflows/{id}", tag = "workflows",
    params(("id" = String, Path)), responses((status = 200, body = WorkflowView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<Response> {
    let row = super::named(&app, &caller.ctx, &id).await?;
    Ok(super::answer(&app, &caller.ctx, row).await?)
}
