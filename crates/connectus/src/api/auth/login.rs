//! `POST /api/v1/auth/login`.

use axum::{extract::State, http::StatusCode, response::Response};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use super::view::{Credentials, Keep, signed_in};
use crate::{
    app::App,
    auth::{peer::Peer, sign_in::Attempt},
    http::{ApiResult, Body},
};

/// Who signs in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The address.
    #[schema(example = "ann@example.org")]
    email: String,
    /// The password.
    #[schema(value_type = String, format = Password)]
    password: SecretString,
    /// How to stay signed in.
    #[serde(default)]
    keep: Keep,
}

/// Sign in.
///
/// After five wrong passwords an account waits, longer each time.
#[utoipa::path(post, path = "/api/v1/auth/login", tag = "auth", request_body = Login,
    responses((status = 200, body = Credentials)))]
pub async fn handle(
    State(app): State<App>,
    peer: Peer,
    Body(body): Body<Login>,
) -> ApiResult<Response> {
    let attempt = Attempt { email: body.email, password: body.password, peer };
    let member = app.auth.sign_in(attempt).await?;
    Ok(signed_in(&app, &member, body.keep, StatusCode::OK).await?)
}
