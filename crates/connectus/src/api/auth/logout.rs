//! `POST /api/v1/auth/logout`.

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// Sign out: the cookie, or the chain of tokens, ends at once. An API key is revoked elsewhere.
#[utoipa::path(post, path = "/api/v1/auth/logout", tag = "auth", responses((status = 204)))]
pub async fn handle(State(app): State<App>, caller: Caller) -> ApiResult<Response> {
    app.auth.sign_out(&caller).await?;
    let cookie = [(header::SET_COOKIE, app.auth.forget_cookie()?)];
    Ok((StatusCode::NO_CONTENT, cookie).into_response())
}
