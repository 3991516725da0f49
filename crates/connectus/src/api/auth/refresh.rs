//! `POST /api/v1/auth/refresh`.

use axum::{Json, extract::State};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use super::Credentials;
use crate::{
    app::App,
    http::{ApiResult, Body},
};

/// A refresh token to exchange.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    /// The newest refresh token. It is good once.
    #[schema(value_type = String, format = Password)]
    refresh_token: SecretString,
}

/// Exchange a refresh token for the next pair.
///
/// A token that comes a second time ends the whole chain: one of its two holders stole it.
#[utoipa::path(post, path = "/api/v1/auth/refresh", tag = "auth", request_body = Refresh,
    responses((status = 200, body = Credentials)))]
pub async fn handle(
    State(app): State<App>,
    Body(body): Body<Refresh>,
) -> ApiResult<Json<Credentials>> {
    let tokens = app.auth.rotate(body.refresh_token.expose_secret()).await?;
    Ok(Json(tokens.into()))
}
