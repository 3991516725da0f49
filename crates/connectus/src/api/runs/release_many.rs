//! `POST /api/v1/runs/release`.

use axum::{extract::State, response::Response};
use connectus_engine::driver::Bulk;

use super::many::{self, ManyView, Which};
use crate::{
    app::App,
    http::{ApiResult, Body, Caller},
};

/// Let many runs go on that are in quarantine: the newest 500 that a filter names.
#[utoipa::path(post, path = "/api/v1/runs/release", tag = "runs", request_body = Which,
    responses((status = 200, body = ManyView), (status = 202, body = ManyView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Body(which): Body<Which>,
) -> ApiResult<Response> {
    Ok(many::change(&app, &caller.ctx, Bulk::Release, which).await?)
}
