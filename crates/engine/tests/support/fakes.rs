//! The provider fakes, connected.

use connectus_connect::Secrets;
use connectus_core::TenantCtx;
use connectus_engine::{
    Parts,
    connections::{NewIntegration, seed_providers},
};
use connectus_sandbox::{Limits, Running, Sandbox, SandboxConfig};
use connectus_testkit::TestStore;
use secrecy::SecretString;
use serde_json::{Map, Value, json};

/// Starts the fake on the test's clock, with nothing in HubSpot.
pub async fn start(db: &TestStore) -> Running {
    let config = SandboxConfig {
        contacts: 0,
        companies: 0,
        deals: 0,
        limits: Limits::NONE,
        ..SandboxConfig::new(db.sim.env.clone())
    };
    Sandbox::start(config).await.unwrap()
}

/// The address of the fake, as the allow-list wants it.
pub fn address(slack: &Running) -> String {
    slack.slack_base_url.trim_start_matches("http://").to_owned()
}

/// Connects the tenant to the Slack fake: bot token and incoming webhook.
pub async fn connect(parts: &Parts, ctx: &TenantCtx, slack: &Running) {
    let keys = slack.handle.keys();
    let hook = format!("{}{}", slack.slack_base_url, keys.slack_webhook_path);
    let secrets = [("access_token", keys.slack_token.clone()), ("webhook_url", hook)];
    integrate(parts, ctx, "slack", &slack.slack_base_url, secrets).await;
}

/// Connects the tenant to the HubSpot fake.
pub async fn connect_hubspot(parts: &Parts, ctx: &TenantCtx, hubspot: &Running) {
    let token = hubspot.handle.keys().hubspot_token.clone();
    let secrets = [("access_token", token)];
    integrate(parts, ctx, "hubspot", &hubspot.hubspot_base_url, secrets).await;
}

async fn integrate(
    parts: &Parts,
    ctx: &TenantCtx,
    provider: &str,
    base_url: &str,
    secrets: impl IntoIterator<Item = (&str, String)>,
) {
    seed_providers(&parts.store).await.unwrap();
    let mut credentials = Secrets::new();
    for (name, secret) in secrets {
        credentials.set(name, SecretString::from(secret));
    }
    let settings = json!({ "base_url": base_url });
    let new = NewIntegration {
        provider_version: None,
        provider: provider.into(),
        name: provider.into(),
        credentials,
        settings: settings.as_object().unwrap().clone(),
        sync_config: Map::new(),
    };
    parts.connections.create(ctx, new).await.unwrap();
}

/// A step that posts a message.
pub fn post(id: &str, text: &str) -> Value {
    json!({
        "id": id, "type": "action", "action": "slack.post_message",
        "input": { "channel": "general", "text": text },
    })
}
