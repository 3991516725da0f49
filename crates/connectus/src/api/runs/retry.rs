//! `POST /api/v1/runs/{id}/retry`.

use axum::{
    extract::{Path, State},
    response::Response,
};

use super::RunView;
use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// Run it again with the same input, as a new run.
#[utoipa::path(post, path = "/api/v1/runs/{id}/retry", tag = "runs",
    params(("id" = String, Path)), responses((status = 202, body = RunView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<Response> {
    let run = super::named(&app, &caller.ctx, &id).await?;
    let again = app.engine.retry(&caller.ctx, &run).await?;
    Ok(super::started(again))
}
