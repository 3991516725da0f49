//! An application whose providers are the fakes.

use connectus_connect::http::{Guarded, GuardedRequest};
use connectus_sandbox::{Handle, Limits, Running, Sandbox, SandboxConfig};
use connectus_testkit::TestStore;
use serde_json::{Value, json};

use super::{Answer, Call, Organisation, TestApp};

/// An application, a tenant, and fakes it may reach.
pub struct Crm {
    /// The application.
    pub app: TestApp,
    /// A tenant with a key for every role.
    pub of: Organisation,
    fakes: Running,
}

impl Crm {
    /// With fakes that approve at once and do not count calls.
    pub async fn start(db: TestStore) -> Self {
        let mut config = SandboxConfig::new(db.sim.env.clone());
        (config.auto_approve, config.limits) = (true, Limits::NONE);
        (config.contacts, config.companies, config.deals) = (3, 0, 0);
        let fakes = Sandbox::start(config).await.unwrap();
        let reachable = addresses(&fakes);
        let app = TestApp::with(db, |settings| {
            settings.egress.allow = reachable.iter().map(|one| one.parse().unwrap()).collect();
        })
        .await;
        let of = app.organisation("Ours").await;
        Self { app, of, fakes }
    }

    /// Inspects and scripts the fakes.
    pub fn handle(&self) -> &Handle {
        &self.fakes.handle
    }

    /// The address of the HubSpot fake.
    pub fn hubspot_url(&self) -> &str {
        &self.fakes.hubspot_base_url
    }

    /// Sends a call with a role's key.
    pub async fn send(&self, call: Call) -> Answer {
        self.app.send(call.bearer(self.of.owner())).await
    }

    /// A body that creates a HubSpot integration on the fake.
    pub fn hubspot(&self, credentials: &Value) -> Value {
        json!({
            "provider": "hubspot",
            "name": "Our HubSpot",
            "auth_credentials": credentials,
            "settings": {"base_url": self.hubspot_url()},
        })
    }

    /// Creates an integration; answers its identifier.
    pub async fn create(&self, body: &Value) -> String {
        let call = Call::post("/api/v1/integrations").json(body);
        self.send(call).await.expect(201).text_of("id")
    }

    /// Creates an integration with the fake's own token.
    pub async fn connected(&self) -> String {
        let token = self.handle().keys().hubspot_token.clone();
        self.create(&self.hubspot(&json!({"access_token": token}))).await
    }

    /// Creates an integration whose app nobody has authorised yet.
    pub async fn unauthorised(&self) -> String {
        let keys = self.handle().keys();
        let credentials = json!({
            "client_id": keys.hubspot_client_id, "client_secret": keys.hubspot_client_secret,
        });
        self.create(&self.hubspot(&credentials)).await
    }

    /// Goes to a provider's page as a browser does; answers where it sends the browser.
    pub async fn visit(&self, url: &str) -> String {
        let reachable = addresses(&self.fakes);
        let policy =
            connectus_connect::EgressPolicy::allowing(reachable.iter().map(String::as_str));
        let http = Guarded::new(policy.unwrap());
        let page = http.send(GuardedRequest::new("GET".parse().unwrap(), url)).await.unwrap();
        page.header("location").unwrap().to_owned()
    }
}

fn addresses(fakes: &Running) -> [String; 2] {
    [&fakes.hubspot_base_url, &fakes.slack_base_url]
        .map(|url| url.trim_start_matches("http://").to_owned())
}
