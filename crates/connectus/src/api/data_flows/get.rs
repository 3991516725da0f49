//! `GET /api/v1/data-flows/{id}`.

use axum::{
    extract::{Path, State},
    response::Response,
};

use super::FlowView;
use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// Get a data flow, with its counters and its next due time.
#[utoipa::path(get, path = "/api/v1/data-flows/{id}", tag = "data flows",
    params(("id" = String, Path)), responses((status = 200, body = FlowView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<Response> {
    Ok(super::answer(super::named(&app, &caller.ctx, &id).await?))
}
