//! The OAuth round trip: with the fakes, and with a token address that says back what it hears.

use connectus_connect::{EgressPolicy, Guarded, Secrets, http::GuardedRequest};
use connectus_core::IntegrationId;
use connectus_store::credentials::SealedCredential;
use secrecy::ExposeSecret;
use serde_json::json;

use super::Journey;
use crate::support::{Call, PUBLIC_URL, world::text};

impl Journey {
    /// The OAuth round trip with both fakes: connected, refreshed, refused, given back.
    pub async fn oauth(&mut self) {
        let keys = self.world.fakes.handle.keys().clone();
        let (hubspot, slack) =
            (self.world.fakes.hubspot_base_url.clone(), self.world.fakes.slack_base_url.clone());
        for (provider, base_url, client, secret) in [
            ("hubspot", hubspot, keys.hubspot_client_id, keys.hubspot_client_secret),
            ("slack", slack, keys.slack_client_id, keys.slack_client_secret),
        ] {
            let new = json!({
                "provider": provider, "name": format!("{provider} by OAuth"),
                "auth_credentials": {"client_id": client, "client_secret": secret},
                "settings": {"base_url": base_url},
            });
            let id = text(&self.create(&new).await, "id").to_owned();
            let link = format!("/api/v1/oauth/{provider}/authorize?integration_id={id}");
            let link = self.owner("oauth.authorize", Call::get(&link)).await.expect(200);
            let back = self.visit(&link.text_of("authorize_url")).await;
            let code = back.split("code=").nth(1).unwrap().split('&').next().unwrap();
            self.marked.learn("authorisation code", code);
            let back = back.trim_start_matches(PUBLIC_URL).to_owned();
            self.owner("oauth.callback", Call::get(&back)).await.expect(200);
            self.owner("oauth.callback again", Call::get(&back)).await.expect(400);
            self.learn_stored(&id).await;
            let test = || Call::post(&format!("/api/v1/integrations/{id}/test_connection"));
            self.owner("integrations.test_connection", test()).await.expect(200);
            self.world.app.db.sim.clock.advance_secs(50_000);
            let report =
                self.owner("integrations.test_connection", test()).await.expect(200).json();
            assert_eq!(report["success"], true, "{provider} was refreshed: {report}");
            self.learn_stored(&id).await;
            self.world.fakes.handle.revoke_grants();
            self.world.app.db.sim.clock.advance_secs(50_000);
            let report =
                self.owner("integrations.test_connection", test()).await.expect(200).json();
            assert_eq!(report["success"], false, "{provider} was revoked: {report}");
            let delete = Call::delete(&format!("/api/v1/integrations/{id}"));
            self.owner("integrations.delete", delete).await.expect(204);
        }
        self.echoed_oauth().await;
        self.world.app.app.engine_parts.connections.close().await;
    }

    /// A token address that says back the code and the client's secret.
    async fn echoed_oauth(&mut self) {
        for _ in 0..4 {
            let new = json!({
                "provider": "hubspot", "name": "Echoed",
                "auth_credentials": {
                    "client_id": "an-app", "client_secret": self.marked.plant("echoed secret"),
                },
                "settings": {"base_url": self.echo.url()},
            });
            let id = text(&self.create(&new).await, "id").to_owned();
            let link = format!("/api/v1/oauth/hubspot/authorize?integration_id={id}");
            let link = self.owner("oauth.authorize", Call::get(&link)).await.expect(200);
            let url = url::Url::parse(&link.text_of("authorize_url")).unwrap();
            let state = url.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
            let code = self.marked.plant("authorisation code");
            let back = format!("/api/v1/oauth/hubspot/callback?state={state}&code={code}");
            let refused = self.owner("oauth.callback refused", Call::get(&back)).await;
            assert!(refused.status >= 400, "{}", refused.text);
        }
        // Deleting gives tokens back to their provider, which says them back too.
        let listed =
            self.owner("integrations.list", Call::get("/api/v1/integrations?limit=200")).await;
        for integration in listed.json()["items"].as_array().unwrap() {
            if text(integration, "name").ends_with("oauth2") {
                let delete = format!("/api/v1/integrations/{}", text(integration, "id"));
                self.owner("integrations.delete", Call::delete(&delete)).await.expect(204);
            }
        }
    }

    async fn visit(&self, url: &str) -> String {
        let fakes = [&self.world.fakes.hubspot_base_url, &self.world.fakes.slack_base_url];
        let allow = fakes.map(|url| url.trim_start_matches("http://"));
        let http = Guarded::new(EgressPolicy::allowing(allow).unwrap());
        let page = http.send(GuardedRequest::new("GET".parse().unwrap(), url)).await.unwrap();
        page.header("location").unwrap().to_owned()
    }

    /// Opens what is sealed, as only the engine does otherwise, to know what to look for.
    async fn learn_stored(&mut self, integration: &str) {
        let (ctx, store) = (&self.world.ours.ctx, self.world.app.app.store());
        let id = IntegrationId::parse(integration).unwrap();
        let mut conn = store.read().await.unwrap();
        let stored = conn.credential(ctx, &id).await.unwrap().unwrap();
        let key = conn.opening_key(ctx, store.sealer(), &stored.sealed).await.unwrap();
        let place = SealedCredential::place(&stored.id);
        let opened = store.sealer().open(&key, ctx.tenant(), place, &stored.sealed).unwrap();
        let secrets = Secrets::from_json(&opened).unwrap();
        for name in ["access_token", "refresh_token"] {
            let token = secrets.get(name).unwrap().expose_secret();
            self.marked.learn(&format!("{name} of {integration}"), token);
        }
    }
}
