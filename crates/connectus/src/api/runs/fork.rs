//! `POST /api/v1/runs/{id}/fork`.

use axum::{
    extract::{Path, State},
    response::Response,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::RunView;
use crate::{
    app::App,
    http::{ApiResult, Body, Caller},
};

/// From where.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Fork {
    /// A position in the journal: how many entries the new run takes over.
    position: usize,
}

/// Go on from a past state of a run, as a new run.
///
/// What the run had learnt until then is taken over and not done again; what was under way begins
/// anew. Input and definition stay the same.
#[utoipa::path(post, path = "/api/v1/runs/{id}/fork", tag = "runs",
    params(("id" = String, Path)), request_body = Fork,
    responses((status = 202, body = RunView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Body(Fork { position }): Body<Fork>,
) -> ApiResult<Response> {
    let run = super::named(&app, &caller.ctx, &id).await?;
    Ok(super::started(app.engine.fork(&caller.ctx, &run, position).await?))
}
