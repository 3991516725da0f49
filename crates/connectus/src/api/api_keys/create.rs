//! `POST /api/v1/api-keys`.

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use connectus_core::{Error, Timestamp, UserId};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ApiKeyView;
use crate::{
    api::users::RoleName,
    app::App,
    auth::keys::{self, NewApiKey},
    http::{ApiResult, Body, Caller},
};

/// A key to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateApiKey {
    /// What it is for.
    #[schema(example = "nightly export")]
    name: String,
    /// What it may do; not more than oneself.
    role: RoleName,
    /// The person it acts for; it ends with that person and never exceeds that person's role.
    user_id: Option<String>,
    /// When it ends (RFC 3339); never, when absent.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

/// A key just made.
#[derive(Serialize, ToSchema)]
pub struct CreatedApiKey {
    /// The key itself. It is shown this once; keep it where secrets are kept.
    #[schema(example = "cnx_1f2e3d4c_...")]
    token: String,
    /// What the key is.
    #[serde(flatten)]
    key: ApiKeyView,
}

/// Make an API key. The answer is the only place that ever shows it.
#[utoipa::path(post, path = "/api/v1/api-keys", tag = "api-keys", request_body = CreateApiKey,
    responses((status = 201, body = CreatedApiKey)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Body(body): Body<CreateApiKey>,
) -> ApiResult<Response> {
    let unknown = || Error::invalid("user_id", "is not a person of this organisation.");
    let user = match &body.user_id {
        None => None,
        Some(text) => Some(UserId::parse(text).ok_or_else(unknown)?),
    };
    let new =
        NewApiKey { name: body.name, role: body.role.into(), user, expires_at: body.expires_at };
    let (key, secret) = keys::create(app.store(), caller.ctx, new).await?;
    let location = HeaderValue::from_str(&format!("/api/v1/api-keys/{}", key.id));
    let location = [(header::LOCATION, location.map_err(Error::internal)?)];
    let created = CreatedApiKey { token: secret.expose_secret().to_owned(), key: key.into() };
    Ok((StatusCode::CREATED, location, Json(created)).into_response())
}
