//! `PATCH /api/v1/integrations/{id}`.

use axum::{
    extract::{Path, State},
    http::HeaderMap,
    response::Response,
};
use connectus_engine::connections::{IntegrationChange, Wanted};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{IntegrationView, WriteOnly};
use crate::{
    app::App,
    http::{ApiResult, Body, Caller, etag},
};

/// What to change; the rest stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeIntegration {
    /// The version of a brought provider to stay with; null follows the newest.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>)]
    provider_version: Option<Option<u64>>,
    /// The name people give it.
    name: Option<String>,
    /// Secrets to set, by field; an empty text or null removes one. A `base_url` of another host
    /// needs them all again.
    auth_credentials: Option<WriteOnly>,
    /// Settings to set; null removes one.
    #[schema(value_type = Option<Object>)]
    settings: Option<Map<String, Value>>,
    /// Defaults for its data flows, in place of the old ones.
    #[schema(value_type = Option<Object>)]
    sync_config: Option<Map<String, Value>>,
    /// `active` to work with it, `paused` to leave it alone.
    status: Option<WantedStatus>,
}

/// A member that is there, null or not.
fn given<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<Option<u64>>, D::Error> {
    Option::<u64>::deserialize(reader).map(Some)
}

/// What a person may ask of an integration's status.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WantedStatus {
    /// Work with it.
    Active,
    /// Leave it alone.
    Paused,
}

impl From<WantedStatus> for Wanted {
    fn from(status: WantedStatus) -> Self {
        match status {
            WantedStatus::Active => Self::Active,
            WantedStatus::Paused => Self::Paused,
        }
    }
}

/// Change an integration.
#[utoipa::path(patch, path = "/api/v1/integrations/{id}", tag = "integrations",
    params(("id" = String, Path)), request_body = ChangeIntegration,
    responses((status = 200, body = IntegrationView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body<ChangeIntegration>,
) -> ApiResult<Response> {
    let change = IntegrationChange {
        provider_version: body.provider_version,
        name: body.name,
        settings: body.settings,
        sync_config: body.sync_config,
        status: body.status.map(Wanted::from),
        credentials: body.auth_credentials.map(WriteOnly::change),
    };
    let guard = move |version| etag::check(&headers, version);
    let id = super::id(&id)?;
    let stored = super::connections(&app).update(&caller.ctx, &id, change, guard).await?;
    Ok(super::answer(&app, stored))
}
