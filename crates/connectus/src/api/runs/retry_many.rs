//! `POST /api/v1/runs/retry`.

use axum::{extract::State, response::Response};
use connectus_engine::driver::Bulk;

use super::many::{self, ManyView, Which};
use crate::{
    app::App,
    http::{ApiResult, Body, Caller},
};

/// Repeat many runs that failed: the newest 500 that a filter names.
///
/// Left out are those that another run repeats already, those that another run waited for, and
/// syncs whose data flow was synced later; so the same call again goes on with the rest.
#[utoipa::path(post, path = "/api/v1/runs/retry", tag = "runs", request_body = Which,
    responses((status = 200, body = ManyView), (status = 202, body = ManyView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Body(which): Body<Which>,
) -> ApiResult<Response> {
    Ok(many::change(&app, &caller.ctx, Bulk::Retry, which).await?)
}
