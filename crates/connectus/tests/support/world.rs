//! A tenant whose HubSpot and Slack are the fakes, and the handles to disturb both.

use connectus::config::Settings;
use connectus_connect::http;
use connectus_core::access::Role;
use connectus_sandbox::{Limits, Running, Sandbox, SandboxConfig, SignedWebhook};
use connectus_store::inspect::TableText;
use connectus_testkit::TestStore;
use serde_json::{Value, json};

use super::{Answer, Call, Organisation, TestApp};

/// An application, the fakes it may reach, and one tenant.
pub struct World {
    pub app: TestApp,
    pub fakes: Running,
    pub ours: Organisation,
}

impl World {
    /// With the demo's people, without the providers' rate limits.
    pub async fn start(db: TestStore) -> Self {
        Self::with(db, |_| {}, |_| {}).await
    }

    /// With fakes and settings of one's own.
    pub async fn with(
        db: TestStore,
        fakes: impl FnOnce(&mut SandboxConfig),
        settings: impl FnOnce(&mut Settings),
    ) -> Self {
        Self::within(db, http::Limits::default(), fakes, settings).await
    }

    /// With limits of its own for outbound calls too.
    pub async fn within(
        db: TestStore,
        limits: http::Limits,
        fakes: impl FnOnce(&mut SandboxConfig),
        settings: impl FnOnce(&mut Settings),
    ) -> Self {
        let mut config =
            SandboxConfig { limits: Limits::NONE, ..SandboxConfig::new(db.sim.env.clone()) };
        fakes(&mut config);
        let fakes = Sandbox::start(config).await.unwrap();
        let app = TestApp::within(db, limits, |all| {
            for url in [&fakes.hubspot_base_url, &fakes.slack_base_url] {
                all.egress.allow.push(url.trim_start_matches("http://").parse().unwrap());
            }
            settings(all);
        })
        .await;
        let ours = app.organisation("Digi Sol").await;
        // Past the moment at which the fakes' records were made, so that they are not "recent".
        app.db.sim.clock.advance_secs(3_600);
        Self { app, fakes, ours }
    }

    /// Calls as someone of the tenant with this role.
    pub fn as_role(&self, role: Role) -> Caller<'_> {
        Caller { app: &self.app, key: self.ours.key(role) }
    }

    /// Calls as the owner.
    pub fn owner(&self) -> Caller<'_> {
        self.as_role(Role::Owner)
    }

    /// Lets the engine work until nothing is ready.
    pub async fn settle(&self) {
        self.app.app.engine.run_until_idle().await.unwrap();
    }

    /// Moves the clock, then lets the engine work.
    pub async fn settle_after(&self, secs: i64) {
        self.app.db.sim.clock.advance_secs(secs);
        self.settle().await;
    }

    /// Connects HubSpot with the private-app token and the secret that signs its webhooks.
    pub async fn hubspot(&self) -> Value {
        let keys = self.fakes.handle.keys();
        let new = json!({
            "provider": "hubspot",
            "name": "Our HubSpot",
            "auth_credentials": {
                "access_token": keys.hubspot_token,
                "client_secret": keys.hubspot_client_secret,
            },
            "settings": {"base_url": self.fakes.hubspot_base_url},
        });
        self.owner().post("/integrations/integrations/", &new).await.expect(201).json()
    }

    /// Connects Slack with the bot token.
    pub async fn slack(&self) -> Value {
        let new = json!({
            "provider": "slack",
            "name": "Our Slack",
            "auth_credentials": {"access_token": self.fakes.handle.keys().slack_token},
            "settings": {"base_url": self.fakes.slack_base_url},
        });
        self.owner().post("/integrations/integrations/", &new).await.expect(201).json()
    }

    /// Delivers a webhook as its provider would.
    pub async fn deliver(&self, webhook: &SignedWebhook) -> Answer {
        let path = webhook.url.trim_start_matches(super::PUBLIC_URL);
        let mut call = Call::new(webhook.method, path);
        for (name, value) in &webhook.headers {
            call = match *name {
                "content-type" => call.raw(value, webhook.body.as_bytes()),
                _ => call.header(name, value),
            };
        }
        self.app.send(call).await
    }

    /// All there is in the database.
    pub async fn everything(&self) -> Vec<TableText> {
        self.app.app.store().read().await.unwrap().everything().await.unwrap()
    }
}

/// Someone who calls with an API key.
#[derive(Clone, Copy)]
pub struct Caller<'w> {
    app: &'w TestApp,
    key: &'w str,
}

impl Caller<'_> {
    pub async fn send(&self, call: Call) -> Answer {
        self.app.send(call.bearer(self.key)).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Call::get(path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Call::post(path).json(body)).await
    }

    /// A `POST` without a body.
    pub async fn poke(&self, path: &str) -> Answer {
        self.send(Call::post(path)).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(Call::patch(path).json(body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Call::delete(path)).await
    }
}

/// The text member of a JSON object.
#[track_caller]
pub fn text<'v>(value: &'v Value, member: &str) -> &'v str {
    value[member].as_str().unwrap_or_else(|| panic!("no text `{member}` in {value}"))
}
