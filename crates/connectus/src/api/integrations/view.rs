//! An integration as the API shows it. No field of it can hold a secret.

use connectus_core::Timestamp;
use connectus_store::integrations::{CredentialSummary, IntegrationView as Stored};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::app::App;

/// A tenant's connection to a provider.
#[derive(Serialize, ToSchema)]
pub struct IntegrationView {
    /// Identifier.
    #[schema(example = "int_01k6t2c8x9v3f5g7h2j4m6n8p0")]
    id: String,
    /// The provider's name.
    #[schema(example = "hubspot")]
    provider: String,
    /// The version of a brought provider that it stays with; null follows the newest.
    provider_version: Option<u64>,
    /// The name people gave it.
    #[schema(example = "Our HubSpot")]
    name: String,
    /// `pending`, `connected`, `active`, `paused`, `error` or `disconnected`.
    #[schema(example = "connected")]
    status: &'static str,
    /// How its provider is usually connected to.
    #[schema(example = "oauth2")]
    auth_type: String,
    /// What may be told about its credential.
    credentials: CredentialView,
    /// `base_url` and the provider's own settings.
    #[schema(value_type = Object)]
    settings: Map<String, Value>,
    /// Defaults for its data flows.
    #[schema(value_type = Object)]
    sync_config: Map<String, Value>,
    /// 0 to 100; see `/api/v1/integrations/health_summary` for what it follows from.
    #[schema(minimum = 0, maximum = 100)]
    health_score: u8,
    /// Calls of today's budget that are used: as the provider last said, else those made here since
    /// midnight UTC.
    api_calls_today: u64,
    /// Calls allowed a day, as the provider last said; 0 when unknown or unlimited.
    api_calls_limit: u64,
    /// The newest error; cleared by the next success.
    last_error: Option<String>,
    /// The address to enter at the provider, where it delivers webhooks.
    webhook_url: Option<String>,
    /// When one of its data flows last synced.
    last_sync_at: Option<String>,
    /// Who created it.
    created_by: Option<String>,
    /// When it was created.
    created_at: String,
    /// When it last changed.
    updated_at: String,
    /// Counts changes; also the `ETag`.
    version: u64,
}

/// What may be told about a credential. Values are written and never shown.
#[derive(Default, Serialize, ToSchema)]
pub struct CredentialView {
    /// Whether there is one.
    set: bool,
    /// The provider's sign-in method it belongs to.
    #[schema(example = "private_app")]
    kind: Option<String>,
    /// `pending`: a person must authorise it; `active`; `reauth`: the provider refuses it.
    state: Option<&'static str>,
    /// Names of the fields that hold something.
    fields: Vec<String>,
    /// When its access token ends; it is renewed before.
    expires_at: Option<String>,
    /// When it last changed.
    updated_at: Option<String>,
}

impl From<CredentialSummary> for CredentialView {
    fn from(credential: CredentialSummary) -> Self {
        Self {
            set: true,
            kind: Some(credential.kind),
            state: Some(credential.state.name()),
            fields: credential.fields,
            expires_at: shown(credential.expires_at),
            updated_at: Some(credential.updated_at.to_string()),
        }
    }
}

impl IntegrationView {
    /// Shows an integration.
    pub fn of(app: &App, stored: Stored) -> Self {
        let Stored { integration, credential, endpoint, auth_type, last_sync_at } = stored;
        let webhook_url = endpoint
            .map(|endpoint| format!("{}/hooks/{}/{endpoint}", app.public_url, integration.tenant));
        Self {
            id: integration.id.to_string(),
            provider: integration.provider,
            provider_version: integration.provider_version,
            name: integration.name,
            status: integration.status.name(),
            auth_type,
            credentials: credential.map(CredentialView::from).unwrap_or_default(),
            settings: integration.settings,
            sync_config: integration.sync_config,
            health_score: integration.health_score,
            api_calls_today: integration.api_calls_today,
            api_calls_limit: integration.api_calls_limit,
            last_error: integration.last_error,
            webhook_url,
            last_sync_at: shown(last_sync_at),
            created_by: integration.created_by.map(|id| id.to_string()),
            created_at: integration.created_at.to_string(),
            updated_at: integration.updated_at.to_string(),
            version: integration.version,
        }
    }
}

fn shown(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}
