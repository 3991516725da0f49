//! `POST /api/v1/auth/setup`.

use axum::{extract::State, http::StatusCode, response::Response};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use super::view::{Credentials, Keep, signed_in};
use crate::{
    app::App,
    auth::setup::FirstOwner,
    http::{ApiResult, Body},
};

/// The first owner of an installation.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// The one-time token that `connectus serve` printed.
    #[schema(value_type = String, format = Password)]
    token: String,
    /// Name of the organisation.
    #[schema(example = "Example Ltd")]
    tenant_name: String,
    /// The owner's address.
    #[schema(example = "ann@example.org")]
    email: String,
    /// The owner's password, at least ten characters.
    #[schema(value_type = String, format = Password)]
    password: SecretString,
    /// How to stay signed in.
    #[serde(default)]
    keep: Keep,
}

/// Set up the installation: the first organisation and its owner.
#[utoipa::path(post, path = "/api/v1/auth/setup", tag = "auth", request_body = Setup,
    responses((status = 201, body = Credentials)))]
pub async fn handle(State(app): State<App>, Body(body): Body<Setup>) -> ApiResult<Response> {
    let first = FirstOwner {
        token: body.token,
        tenant_name: body.tenant_name,
        email: body.email,
        password: body.password,
    };
    let member = app.auth.set_up(first).await?;
    Ok(signed_in(&app, &member, body.keep, StatusCode::CREATED).await?)
}
