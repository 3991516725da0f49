//! Credentials of every kind, at a place that says back whatever it hears.

use connectus_connect::packs;
use connectus_core::provider::AuthMethod;
use serde_json::{Map, Value, json};

use super::Journey;
use crate::support::{Call, world::text};

impl Journey {
    /// Each way to sign in to each provider, at a place that says back whatever it hears.
    pub async fn every_kind_of_credential(&mut self) {
        let mut kinds = 0;
        for plan in packs::all().unwrap() {
            let provider = plan.pack.provider.name.clone();
            for method in &plan.pack.auth {
                let fields = self.fields(method);
                let mut settings =
                    Map::from_iter([("base_url".to_owned(), json!(self.echo.url()))]);
                for setting in &plan.pack.provider.settings {
                    if setting.required && setting.default.is_none() {
                        settings.insert(setting.name.clone(), json!("1"));
                    }
                }
                let new = json!({
                    "provider": provider, "name": format!("{provider} {}", method.name()),
                    "auth_credentials": fields, "settings": settings,
                });
                let created = self.create(&new).await;
                let streams: Vec<String> =
                    plan.pack.streams.iter().map(|stream| stream.name().to_owned()).collect();
                self.disturb(text(&created, "id"), &streams).await;
                kinds += 1;
            }
        }
        assert!(kinds >= 10, "{kinds} kinds of credentials");
        assert!(self.echo.calls() >= 100, "the echo was called {} times", self.echo.calls());
        for verb in
            ["integrations.test_connection", "data_flows.test_mapping", "data_flows.preview"]
        {
            let mut answers = self.tape.iter().filter(|(label, _)| label == verb);
            assert!(answers.any(|(_, text)| text.contains("[redacted]")), "{verb} was echoed");
        }
    }

    /// A value for every field of a way to sign in.
    fn fields(&mut self, method: &AuthMethod) -> Map<String, Value> {
        let mut names: Vec<String> = method.fields().into_iter().map(str::to_owned).collect();
        if let AuthMethod::Oauth2(oauth) = method {
            let more = ["client_secret", "access_token", "refresh_token"].map(str::to_owned);
            names.extend(more);
            names.extend(oauth.secret_headers.values().cloned());
        }
        let by_address = matches!(method, AuthMethod::WebhookUrl(_));
        let mut fields = Map::new();
        for name in names {
            let secret = self.marked.plant(&format!("{} of {}", name, method.name()));
            let value = match name.as_str() {
                // The id of an app is no secret, and is part of the authorise link.
                "client_id" => "an-app".to_owned(),
                _ if by_address => format!("{}/hooks/{secret}", self.echo.url()),
                _ => secret,
            };
            fields.insert(name, json!(value));
        }
        fields
    }

    /// Everything that makes an integration call out or complain.
    async fn disturb(&mut self, id: &str, streams: &[String]) {
        let path = format!("/api/v1/integrations/{id}");
        self.owner("integrations.get", Call::get(&path)).await.expect(200);
        for _ in 0..6 {
            self.world.app.db.sim.clock.advance_secs(4_000);
            let test = Call::post(&format!("{path}/test_connection"));
            self.owner("integrations.test_connection", test).await;
        }
        let secret = self.marked.plant("credential that is refused");
        for credentials in [
            json!({"no_such_field": secret}),
            json!(secret),
            json!([secret]),
            json!({"access_token": [secret]}),
            json!({"access_token": {"a": secret}}),
            json!({"access_token": format!("{secret}\n")}),
            json!({"access_token": format!(" {secret}")}),
        ] {
            let change = Call::patch(&path).json(&json!({"auth_credentials": credentials}));
            self.owner("integrations.update refused", change).await;
        }
        let url = json!({"settings": {"base_url": format!("https://u:{secret}@example.com")}});
        self.owner("integrations.update refused", Call::patch(&path).json(&url)).await.expect(422);
        for stream in streams.iter().take(2) {
            self.flow(id, stream).await;
        }
        self.echo.refuse(true);
        self.world.app.db.sim.clock.advance_secs(4_000);
        for verb in ["test_connection", "sync_now", "test_connection"] {
            let call = Call::post(&format!("{path}/{verb}"));
            self.owner(&format!("integrations.{verb}"), call).await;
        }
        self.echo.refuse(false);
    }

    /// A data flow that tries its mapping, previews and syncs.
    pub(super) async fn flow(&mut self, integration: &str, stream: &str) {
        let new = json!({
            "integration": integration, "name": "x", "direction": "inbound", "stream": stream,
            "source_fields": ["id"], "target_fields": ["id"], "destination": "mirror/things",
        });
        let created =
            self.owner("data_flows.create", Call::post("/api/v1/data-flows").json(&new)).await;
        let path = format!("/api/v1/data-flows/{}", created.expect(201).text_of("id"));
        for verb in ["test_mapping", "preview", "test_mapping", "preview", "sync"] {
            self.world.app.db.sim.clock.advance_secs(600);
            let call = Call::post(&format!("{path}/{verb}"));
            self.owner(&format!("data_flows.{verb}"), call).await;
        }
        self.world.settle_after(600).await;
        let pause = Call::patch(&path).json(&json!({"status": "paused"}));
        self.owner("data_flows.update", pause).await.expect(200);
    }
}
