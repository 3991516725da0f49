//! The Slack fake, connected.

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

/// Connects the tenant to the fake: bot token and incoming webhook.
pub async fn connect(parts: &Parts, ctx: &TenantCtx, slack: &Running) {
    seed_providers(&parts.store).await.unwrap();
    let keys = slack.handle.keys();
    let mut credentials = Secrets::new();
    credentials.set("access_token", SecretString::from(keys.slack_token.clone()));
    let hook = format!("{}{}", slack.slack_base_url, keys.slack_webhook_path);
    credentials.set("webhook_url", SecretString::from(hook));
    let settings = json!({ "base_url": slack.slack_base_url });
    let new = NewIntegration {
        provider: "slack".into(),
        name: "Slack".into(),
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
