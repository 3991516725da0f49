//! Outside services Connectus can connect to.

pub mod capabilities;
pub mod categories;
pub mod get;
pub mod list;

use connectus_core::{Error, Result, access::Permission::ProvidersRead};
use connectus_store::providers::Provider;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{Access::Needs, Operation, operation::operations},
};

pub(super) fn operations() -> Vec<Operation> {
    operations! {
        "providers.list" = list, Needs(ProvidersRead), aliases ["/integrations/providers"];
        "providers.categories" = categories, Needs(ProvidersRead),
            aliases ["/integrations/providers/categories"];
        "providers.get" = get, Needs(ProvidersRead), aliases ["/integrations/providers/{id}"];
        "providers.capabilities" = capabilities, Needs(ProvidersRead),
            aliases ["/integrations/providers/{id}/capabilities"];
    }
}

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
    /// When this installation first knew it.
    created_at: String,
    /// When its description last changed.
    updated_at: String,
}

impl ProviderView {
    fn of(provider: Provider) -> Self {
        let mut view = provider.view;
        let mut take = |name: &str| view.get_mut(name).map(Value::take).unwrap_or_default();
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
            created_at: provider.created_at.to_string(),
            updated_at: provider.updated_at.to_string(),
        }
    }
}

/// The provider that a path names.
async fn named(app: &App, name: &str) -> Result<Provider> {
    let found = app.store().read().await?.provider(name).await?;
    found.ok_or_else(|| Error::not_found("provider"))
}
