//! `POST /api/v1/users`.

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use connectus_core::Error;
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{RoleName, UserView};
use crate::{
    app::App,
    auth::people::NewUser,
    http::{ApiResult, Body, Caller},
};

/// A person to add.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateUser {
    /// The address to sign in with; nobody else may have it.
    #[schema(example = "ben@example.org")]
    email: String,
    /// Display name.
    #[serde(default)]
    name: String,
    /// The first password, at least ten characters.
    #[schema(value_type = String, format = Password)]
    password: SecretString,
    /// What the person may do; not more than oneself.
    role: RoleName,
    /// The number a partner service knows the person by.
    external_id: Option<i64>,
}

/// Add a person.
#[utoipa::path(post, path = "/api/v1/users", tag = "users", request_body = CreateUser,
    responses((status = 201, body = UserView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Body(body): Body<CreateUser>,
) -> ApiResult<Response> {
    let new = NewUser {
        email: body.email,
        name: body.name,
        password: body.password,
        role: body.role.into(),
        external_id: body.external_id,
    };
    let user = app.auth.create_user(caller.ctx, new).await?;
    let location = HeaderValue::from_str(&format!("/api/v1/users/{}", user.id));
    let mut response = super::answer(user);
    *response.status_mut() = StatusCode::CREATED;
    response.headers_mut().insert(header::LOCATION, location.map_err(Error::internal)?);
    Ok(response)
}
