//! Connections against the fakes, on both databases.

mod accepted;
mod authorizing;
mod changing;
mod disconnecting;
mod refreshing;
mod reporting;
mod versions;

use std::sync::Arc;

use connectus_connect::{EgressPolicy, Guarded, Secrets, http::GuardedRequest, packs};
use connectus_core::{IntegrationId, Result, TenantCtx, event::Event};
use connectus_sandbox::{Handle, Limits, Running, Sandbox, SandboxConfig};
use connectus_store::integrations::IntegrationView;
use connectus_testkit::TestStore;
use secrecy::SecretString;
use serde_json::{Map, Value, json};

use super::{
    AuthorizeReturn, BeginAuthorize, Connections, NewIntegration, SessionKey, seed_providers,
    source::StoreCredentials,
};

const REDIRECT: &str = "https://connectus.example.com/api/v1/oauth/hubspot/callback";

/// Fakes, a store with the providers, and a tenant.
struct Rig {
    db: TestStore,
    connections: Connections,
    ctx: TenantCtx,
    fakes: Running,
}

impl Rig {
    async fn new(db: &TestStore) -> Self {
        Self::with(db, |_| ()).await
    }

    async fn with(db: &TestStore, adjust: impl FnOnce(&mut SandboxConfig)) -> Self {
        let mut config = SandboxConfig::new(db.sim.env.clone());
        config.auto_approve = true;
        config.limits = Limits::NONE;
        (config.contacts, config.companies, config.deals) = (3, 0, 0);
        adjust(&mut config);
        let fakes = Sandbox::start(config).await.unwrap();
        seed_providers(&db.store).await.unwrap();
        let ctx = db.tenant("Ours").await.unwrap();
        let connections = connections(db, &fakes);
        Self { db: db.clone(), connections, ctx, fakes }
    }

    fn handle(&self) -> &Handle {
        &self.fakes.handle
    }

    /// Another process on the same database.
    fn another_process(&self) -> Connections {
        connections(&self.db, &self.fakes)
    }

    fn base_url(&self, provider: &str) -> String {
        match provider {
            "slack" => self.fakes.slack_base_url.clone(),
            "mailchimp" => self.fakes.mailchimp_base_url.clone(),
            "facebook_ads" => self.fakes.facebook_base_url.clone(),
            "salesforce" => self.fakes.salesforce_base_url.clone(),
            _ => self.fakes.hubspot_base_url.clone(),
        }
    }

    async fn create(&self, provider: &str, credentials: Value) -> Result<IntegrationView> {
        self.create_with(provider, credentials, json!({})).await
    }

    /// With these settings besides `base_url`.
    async fn create_with(
        &self,
        provider: &str,
        credentials: Value,
        mut settings: Value,
    ) -> Result<IntegrationView> {
        settings["base_url"] = self.base_url(provider).into();
        let new = NewIntegration {
            provider_version: None,
            provider: provider.into(),
            name: format!("Our {provider}"),
            credentials: secrets(&credentials),
            settings: settings.as_object().unwrap().clone(),
            sync_config: Map::new(),
        };
        self.connections.create(&self.ctx, new).await
    }

    /// An integration whose app nobody has authorised yet.
    async fn app(&self, provider: &str) -> IntegrationId {
        let keys = self.handle().keys();
        let (id, secret) = match provider {
            "slack" => (&keys.slack_client_id, &keys.slack_client_secret),
            "mailchimp" => (&keys.mailchimp_client_id, &keys.mailchimp_client_secret),
            "salesforce" => (&keys.salesforce_client_id, &keys.salesforce_client_secret),
            _ => (&keys.hubspot_client_id, &keys.hubspot_client_secret),
        };
        let credentials = json!({"client_id": id, "client_secret": secret});
        self.create(provider, credentials).await.unwrap().integration.id
    }

    /// Begins a round trip, goes to the provider, and answers what the browser would bring back.
    async fn approve(&self, provider: &str, id: &IntegrationId) -> AuthorizeReturn {
        let begin = BeginAuthorize {
            provider: provider.into(),
            integration: id.clone(),
            session: SessionKey::of("login 1"),
            redirect_uri: REDIRECT.into(),
            return_to: "/integrations".into(),
        };
        let url = self.connections.begin_authorize(&self.ctx, begin).await.unwrap();
        let answer =
            self.connections.0.http.send(GuardedRequest::new("GET".parse().unwrap(), url)).await;
        let answer = answer.unwrap();
        let back = answer.header("location").unwrap().to_owned();
        assert!(back.starts_with(REDIRECT), "{back}");
        let value = |name: &str| {
            let (_, rest) = back.split_once(&format!("{name}=")).unwrap();
            rest.split('&').next().unwrap().to_owned()
        };
        AuthorizeReturn {
            provider: provider.into(),
            session: SessionKey::of("login 1"),
            state: value("state"),
            code: Some(SecretString::from(value("code"))),
            refusal: None,
            redirect_uri: REDIRECT.into(),
        }
    }

    /// An integration connected by OAuth.
    async fn connected(&self, provider: &str) -> IntegrationId {
        let id = self.app(provider).await;
        let back = self.approve(provider, &id).await;
        self.connections.finish_authorize(&self.ctx, back).await.unwrap();
        self.handle().clear_calls();
        id
    }

    async fn view(&self, id: &IntegrationId) -> IntegrationView {
        self.connections.view(&self.ctx, id).await.unwrap()
    }

    /// The source of an integration's credential, as its connection holds it.
    async fn source(&self, connections: &Connections, id: &IntegrationId) -> Arc<StoreCredentials> {
        let integration = self.view(id).await.integration;
        let plan = packs::find(&integration.provider).unwrap();
        connections.connect(&integration, &plan, false).unwrap().1
    }

    /// Calls of the token endpoint that the fakes saw.
    fn exchanges(&self) -> u64 {
        self.handle().calls_of("POST", "/oauth/v3/token")
            + self.handle().calls_of("POST", "/api/oauth.v2.access")
    }

    async fn events(&self) -> Vec<Event> {
        self.db.store.read().await.unwrap().events_after(&self.ctx, 0, 1000).await.unwrap()
    }

    async fn event_names(&self) -> Vec<&'static str> {
        self.events().await.into_iter().map(|event| event.kind.name()).collect()
    }
}

fn connections(db: &TestStore, fakes: &Running) -> Connections {
    let addresses = [
        &fakes.hubspot_base_url,
        &fakes.slack_base_url,
        &fakes.mailchimp_base_url,
        &fakes.facebook_base_url,
        &fakes.salesforce_base_url,
    ]
    .map(|url| url.trim_start_matches("http://").to_owned());
    let policy = EgressPolicy::allowing(addresses.iter().map(String::as_str)).unwrap();
    Connections::new(db.store.clone(), Guarded::new(policy))
}

fn secrets(fields: &Value) -> Secrets {
    Secrets::from_json(&SecretString::from(fields.to_string())).unwrap()
}
