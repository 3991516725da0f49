//! `POST /api/v1/integrations`.

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use connectus_engine::connections::NewIntegration;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{IntegrationView, WriteOnly};
use crate::{
    app::App,
    http::{ApiResult, Body, Caller},
};

/// A new integration.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "provider": "hubspot",
    "name": "Our HubSpot",
    "auth_credentials": { "access_token": "pat-..." },
    "settings": {}
}))]
pub struct CreateIntegration {
    /// The provider's name.
    provider: String,
    /// The version of a brought provider to stay with. Without it the integration follows the
    /// newest.
    #[serde(default)]
    provider_version: Option<u64>,
    /// The name people give it, up to 100 characters.
    name: String,
    /// Secrets, by field; see the provider's capabilities for the fields. OAuth apps need
    /// `client_id` and `client_secret`; the tokens come by the authorize link.
    #[serde(default)]
    auth_credentials: WriteOnly,
    /// `base_url` and the provider's own settings.
    #[serde(default)]
    #[schema(value_type = Object)]
    settings: Map<String, Value>,
    /// Defaults for its data flows.
    #[serde(default)]
    #[schema(value_type = Object)]
    sync_config: Map<String, Value>,
}

/// Create an integration.
///
/// Nothing is sent to the provider; `test_connection` does that.
#[utoipa::path(post, path = "/api/v1/integrations", tag = "integrations",
    request_body = CreateIntegration, responses((status = 201, body = IntegrationView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Body(body): Body<CreateIntegration>,
) -> ApiResult<Response> {
    let new = NewIntegration {
        provider: body.provider,
        provider_version: body.provider_version,
        name: body.name,
        credentials: body.auth_credentials.secrets(),
        settings: body.settings,
        sync_config: body.sync_config,
    };
    let stored = super::connections(&app).create(&caller.ctx, new).await?;
    let location = format!("/api/v1/integrations/{}", stored.integration.id);
    let mut response = super::answer(&app, stored);
    *response.status_mut() = StatusCode::CREATED;
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}
