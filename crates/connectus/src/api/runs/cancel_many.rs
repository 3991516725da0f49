//! `POST /api/v1/runs/cancel`.

use axum::{extract::State, response::Response};
use connectus_engine::driver::Bulk;

use super::many::{self, ManyView, Which};
use crate::{
    app::App,
    http::{ApiResult, Body, Caller},
};

/// Ask many runs to stop: the newest 500 open ones that a filter names.
///
/// Those that were asked before are left out, so the same call again goes on with the rest.
#[utoipa::path(post, path = "/api/v1/runs/cancel", tag = "runs", request_body = Which,
    responses((status = 200, body = ManyView), (status = 202, body = ManyView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Body(which): Body<Which>,
) -> ApiResult<Response> {
    Ok(many::change(&app, &caller.ctx, Bulk::Cancel, which).await?)
}
