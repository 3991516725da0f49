//! `GET /hooks/{tenant}/{endpoint}`: a provider checks that the address is ours.

use axum::{
    Extension,
    body::Bytes,
    extract::{Path, Request, State},
    response::Response,
};

use super::receive::{Delivered, public_url};
use crate::{
    app::App,
    http::{ApiResult, Patience},
};

/// Answer a provider that checks the address.
#[utoipa::path(get, path = "/hooks/{tenant}/{endpoint}", tag = "hooks",
    params(("tenant" = String, Path), ("endpoint" = String, Path)),
    responses((status = 200, body = String)))]
pub async fn handle(
    State(app): State<App>,
    Path((tenant, endpoint)): Path<(String, String)>,
    Extension(patience): Extension<Patience>,
    request: Request,
) -> ApiResult<Response> {
    let url = public_url(&app, request.uri());
    let headers = request.headers().clone();
    let delivered = Delivered { tenant, endpoint, method: "GET", url, headers, patience };
    delivered.take(&app, Bytes::new()).await
}
