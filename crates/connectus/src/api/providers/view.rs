//! Providers as the API shows them.

use connectus_engine::providers::Listed;
use connectus_store::provider_versions::ProviderVersion;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// An outside service. Nothing of it is a secret.
#[derive(Serialize, ToSchema)]
pub struct ProviderView {
    /// The stable name; integrations name it as their `provider`.
    #[schema(example = "hubspot")]
    id: String,
    /// The stable name.
    #[schema(example = "hubspot")]
    name: String,
    /// The name people use.
    #[schema(example = "HubSpot")]
    display_name: String,
    /// `crm`, `email_marketing`, `communication`, `advertising`, `automation` or `other`.
    #[schema(example = "crm")]
    category: String,
    /// One or two sentences.
    #[schema(value_type = String)]
    description: Value,
    /// How most people connect it: `oauth2`, `api_key`, `webhook` or `custom`.
    #[schema(example = "oauth2")]
    auth_type: String,
    /// OAuth addresses and scopes, without any client id or secret.
    #[schema(value_type = Object)]
    oauth_config: Value,
    /// The base URL, the API version and every path called.
    #[schema(value_type = Object)]
    api_endpoints: Value,
    /// Windows, concurrency and daily limit.
    #[schema(value_type = Object)]
    rate_limits: Value,
    /// Whether it can tell us things by webhook.
    #[schema(value_type = bool)]
    webhook_support: Value,
    /// Names of the events it tells.
    #[schema(value_type = Vec<String>)]
    webhook_events: Value,
    /// Where the service documents its API.
    #[schema(value_type = String)]
    docs_url: Value,
    /// The JSON Schema of an integration's settings. What it marks with `airbyte_secret` is entered
    /// in `auth_credentials`, under its path.
    #[schema(value_type = Object)]
    connection_specification: Value,
    /// Where its description came from: `built_in`, `manifest`, `pack` or `openapi`.
    #[schema(example = "built_in")]
    origin: String,
    /// The newest version of a brought provider.
    version: Option<u64>,
    /// Whether every tenant of this installation sees it.
    for_all: bool,
    /// The licence a brought provider came with; `unknown` is yours to check.
    licence: Option<String>,
    /// When this installation first knew it.
    created_at: String,
    /// When its description last changed.
    updated_at: String,
}

impl ProviderView {
    /// Shows a provider.
    pub fn of(listed: Listed) -> Self {
        let Listed { provider, brought } = listed;
        let mut view = provider.view;
        let mut take = |name: &str| view.get_mut(name).map(Value::take).unwrap_or_default();
        let origin = brought.as_ref().map_or("built_in", |brought| &brought.format).to_owned();
        Self {
            id: provider.name.clone(),
            name: provider.name,
            display_name: provider.display_name,
            category: provider.category,
            auth_type: provider.auth_type,
            description: take("description"),
            oauth_config: take("oauth_config"),
            api_endpoints: take("api_endpoints"),
            rate_limits: take("rate_limits"),
            webhook_support: take("webhook_support"),
            webhook_events: take("webhook_events"),
            docs_url: take("docs_url"),
            connection_specification: take("connection_specification"),
            origin,
            version: brought.as_ref().map(|brought| brought.version),
            for_all: brought.as_ref().is_none_or(|brought| brought.for_all),
            licence: brought.map(|brought| licence(&brought)),
            created_at: provider.created_at.to_string(),
            updated_at: provider.updated_at.to_string(),
        }
    }
}

fn licence(version: &ProviderVersion) -> String {
    if version.licence.is_empty() { "unknown".to_owned() } else { version.licence.clone() }
}

/// A version of a brought provider. It never changes.
#[derive(Serialize, ToSchema)]
pub struct ProviderVersionView {
    /// The provider's name.
    #[schema(example = "acme_crm")]
    provider: String,
    /// Counts from 1.
    version: u64,
    /// `manifest`, `pack` or `openapi`.
    #[schema(example = "manifest")]
    format: String,
    /// The digest of all that makes it what it is.
    digest: String,
    /// The licence it came with; `unknown` is yours to check.
    licence: String,
    /// Whether every tenant of this installation sees it.
    for_all: bool,
    /// What of it runs here: each stream with `native` and, where not, what it `needs`; actions;
    /// operations that are `unsupported`, each with the reason; warnings.
    #[schema(value_type = Object)]
    report: Value,
    /// Who brought it, where a person did.
    created_by: Option<String>,
    /// When.
    created_at: String,
}

impl From<ProviderVersion> for ProviderVersionView {
    fn from(version: ProviderVersion) -> Self {
        Self {
            licence: licence(&version),
            provider: version.name,
            version: version.version,
            format: version.format,
            digest: version.digest,
            for_all: version.for_all,
            report: version.report,
            created_by: version.created_by.map(|id| id.to_string()),
            created_at: version.created_at.to_string(),
        }
    }
}
