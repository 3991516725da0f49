//! Everything a tenant does with secrets, each of them a canary.

use connectus::auth::settings::MIN_SECRET_BYTES;
use connectus_connect::{
    EgressPolicy, Guarded, Secrets,
    http::GuardedRequest,
    packs,
};
use connectus_core::{IntegrationId, access::Role, provider::AuthMethod};
use connectus_sandbox::{HubspotEvent, Keys, ObjectType};
use connectus_store::credentials::SealedCredential;
use connectus_testkit::TestStore;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use super::{echo::Echo, marked::Marked};
use crate::support::{
    Answer, Call, PUBLIC_URL,
    world::{World, text},
};

/// A tenant, its secrets, and all it was told.
pub struct Journey {
    pub world: World,
    pub marked: Marked,
    /// Every answer, headers and body, under the name of what was asked.
    pub tape: Vec<(String, String)>,
    echo: Echo,
    service_secret: String,
    jwt_secret: String,
}

impl Journey {
    pub async fn begin(db: TestStore) -> Self {
        let mut marked = Marked::default();
        let echo = Echo::start().await;
        let keys = Keys {
            hubspot_token: marked.plant("HubSpot token"),
            hubspot_client_id: "sandbox-hubspot-client".into(),
            hubspot_client_secret: marked.plant("HubSpot client secret"),
            slack_token: format!("xoxb-{}", marked.plant("Slack token")),
            slack_client_id: "sandbox-slack-client".into(),
            slack_client_secret: marked.plant("Slack client secret"),
            slack_signing_secret: marked.plant("Slack signing secret"),
            slack_webhook_path: format!("/services/T0/B0/{}", marked.plant("Slack webhook path")),
        };
        let service_secret = marked.plant("service secret");
        let jwt_secret = marked.plant("JWT secret");
        assert!(service_secret.len() >= MIN_SECRET_BYTES);
        let mut more = || Some(SecretString::from(marked.plant("key of a service")));
        let ai = [more(), more(), more(), more(), more()];
        let world = World::with(
            db,
            |fakes| {
                (fakes.contacts, fakes.companies, fakes.deals) = (20, 0, 0);
                (fakes.auto_approve, fakes.slack_token_rotation) = (true, true);
                fakes.keys = keys;
            },
            |settings| {
                settings.egress.allow.push(echo.address.parse().unwrap());
                settings.auth.service_secret = Some(service_secret.clone().into());
                settings.auth.jwt_secret = Some(jwt_secret.clone().into());
                let [openai, deepseek, kimi, tavily, logoai] = ai;
                settings.ai.openai_api_key = openai;
                settings.ai.deepseek_api_key = deepseek;
                settings.ai.kimi_api_key = kimi;
                settings.ai.tavily_api_key = tavily;
                settings.ai.logoai_api_key = logoai;
            },
        )
        .await;
        for role in Role::ALL {
            marked.learn("API key of the tenant", world.ours.key(role));
        }
        Self { world, marked, tape: Vec::new(), echo, service_secret, jwt_secret }
    }

    fn keep(&mut self, label: &str, answer: Answer) -> Answer {
        self.tape.push((label.to_owned(), format!("{:?}\n{}", answer.headers, answer.text)));
        answer
    }

    /// Calls without a credential of the tenant's.
    async fn bare(&mut self, label: &str, call: Call) -> Answer {
        let answer = self.world.app.send(call).await;
        self.keep(label, answer)
    }

    async fn owner(&mut self, label: &str, call: Call) -> Answer {
        let answer = self.world.owner().send(call).await;
        self.keep(label, answer)
    }

    /// Set-up, sign-in by every way, wrong passwords, keys, tokens of others.
    pub async fn people(&mut self) {
        let token = self.world.app.app.auth.setup_token().await.unwrap().unwrap();
        self.marked.learn("set-up token", &token);
        let password = self.marked.plant("password of the first owner");
        let first = json!({
            "token": token, "tenant_name": "First", "email": "first@example.org",
            "password": password,
        });
        let mut wrong = first.clone();
        wrong["email"] = json!("nobody");
        self.bare("auth.setup refused", Call::post("/api/v1/auth/setup").json(&wrong)).await;
        let set_up = Call::post("/api/v1/auth/setup").json(&first);
        let tokens = self.bare("auth.setup", set_up).await.expect(201);
        self.learn_tokens(&tokens);

        let password = self.marked.plant("password of a user");
        let person = json!({"email": "ann@example.org", "password": password, "role": "admin"});
        let created = self.owner("users.create", Call::post("/api/v1/users").json(&person)).await;
        let user = created.expect(201).text_of("id");
        let login = json!({"email": "ann@example.org", "password": password});
        let tokens = self.bare("auth.login", Call::post("/api/v1/auth/login").json(&login)).await;
        let tokens = tokens.expect(200);
        self.learn_tokens(&tokens);
        let access = tokens.text_of("access_token");
        self.bare("auth.me", Call::get("/api/v1/auth/me").bearer(&access)).await.expect(200);

        let refresh = json!({"refresh_token": tokens.text_of("refresh_token")});
        let next = Call::post("/api/v1/auth/refresh").json(&refresh);
        let next = self.bare("auth.refresh", next).await.expect(200);
        self.learn_tokens(&next);
        let reused = Call::post("/api/v1/auth/refresh").json(&refresh);
        self.bare("auth.refresh reused", reused).await.expect(401);

        let mut cookie = login.clone();
        cookie["keep"] = json!("cookie");
        let answer = self.bare("auth.login", Call::post("/auth/login").json(&cookie)).await;
        let cookie = answer.expect(200).header("set-cookie").to_owned();
        let pair = cookie.split(';').next().unwrap().to_owned();
        self.marked.learn("console cookie", pair.split_once('=').unwrap().1);
        let me = Call::get("/api/v1/auth/me").header("cookie", &pair);
        self.bare("auth.me", me).await.expect(200);

        for _ in 0..3 {
            let guess = self.marked.plant("wrong password");
            let guess = json!({"email": "ann@example.org", "password": guess});
            self.bare("auth.login refused", Call::post("/auth/login").json(&guess)).await;
        }
        let new = self.marked.plant("new password");
        let change = json!({"current_password": password, "new_password": new});
        let tokens = self.bare("auth.login", Call::post("/auth/login").json(&login)).await;
        let access = tokens.expect(200).text_of("access_token");
        self.marked.learn("access token", &access);
        let change = Call::post("/api/v1/auth/password").json(&change).bearer(&access);
        self.bare("auth.password", change).await.expect(204);
        let short = json!({"email": "b@example.org", "password": "zqcanary", "role": "viewer"});
        self.owner("users.create refused", Call::post("/api/v1/users").json(&short)).await.expect(422);

        let key = json!({"name": "export", "role": "viewer"});
        let make = || Call::post("/api/v1/api-keys").json(&key).key("make-a-key");
        let made = self.owner("api_keys.create", make()).await.expect(201);
        self.marked.learn("API key", &made.text_of("token"));
        self.owner("api_keys.create replayed", make()).await.expect(201);
        self.others(&user).await;
    }

    /// Credentials that come from elsewhere, good and bad.
    async fn others(&mut self, user: &str) {
        let (app, now) = (&self.world.app.app, self.world.app.db.sim.env.now().secs());
        let claims = json!({
            "user_id": user, "aud": app.settings.auth.jwt_audience,
            "iss": app.settings.auth.jwt_issuer, "exp": now + 300, "iat": now,
        });
        let key = EncodingKey::from_secret(self.jwt_secret.as_bytes());
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap();
        self.marked.learn("token of another system", &token);
        let me = Call::get("/api/v1/auth/me").bearer(&token);
        self.bare("auth.me by a partner's token", me).await.expect(200);
        let service = Call::get("/api/v1/auth/me")
            .header("x-service-secret", &self.service_secret)
            .header("x-user-id", user);
        self.bare("auth.me by a partner", service).await.expect(200);
        for name in ["authorization", "x-service-secret", "cookie"] {
            let wrong = self.marked.plant("refused credential");
            let value = match name {
                "authorization" => format!("Bearer cnx_00000000_{wrong}"),
                "cookie" => format!("connectus_session={wrong}"),
                _ => wrong,
            };
            let call = Call::get("/api/v1/auth/me").header(name, &value).header("x-user-id", user);
            self.bare("auth.me refused", call).await;
        }
    }

    fn learn_tokens(&mut self, answer: &Answer) {
        self.marked.learn("access token", &answer.text_of("access_token"));
        self.marked.learn("refresh token", &answer.text_of("refresh_token"));
    }

    /// Each way to sign in to each provider, at a place that says back whatever it hears.
    pub async fn every_kind_of_credential(&mut self) {
        let mut kinds = 0;
        for plan in packs::all().unwrap() {
            let provider = plan.pack.provider.name.clone();
            for method in &plan.pack.auth {
                let fields = self.fields(method);
                let mut settings = Map::from_iter([("base_url".to_owned(), json!(self.echo.url()))]);
                for setting in &plan.pack.provider.settings {
                    if setting.required && setting.default.is_none() {
                        settings.insert(setting.name.clone(), json!("1"));
                    }
                }
                let new = json!({
                    "provider": provider, "name": format!("{provider} {}", method.name()),
                    "auth_credentials": fields, "settings": settings,
                });
                let create = Call::post("/api/v1/integrations").json(&new);
                let created = self.owner("integrations.create", create).await.expect(201);
                let streams: Vec<String> =
                    plan.pack.streams.iter().map(|stream| stream.name().to_owned()).collect();
                self.disturb(&created.text_of("id"), &streams).await;
                kinds += 1;
            }
        }
        assert!(kinds >= 10, "{kinds} kinds of credentials");
        assert!(self.echo.calls() >= 100, "the echo was called {} times", self.echo.calls());
        for verb in ["integrations.test_connection", "data_flows.test_mapping", "data_flows.preview"] {
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
    async fn flow(&mut self, integration: &str, stream: &str) {
        let new = json!({
            "integration": integration, "name": "x", "direction": "inbound", "stream": stream,
            "source_fields": ["id"], "target_fields": ["id"], "destination": "mirror/things",
        });
        let created = self.owner("data_flows.create", Call::post("/api/v1/data-flows").json(&new)).await;
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

    /// The fakes, with their own secrets: a sync, a webhook, messages.
    pub async fn real_providers(&mut self) {
        let hubspot = self.world.hubspot().await;
        let keys = self.world.fakes.handle.keys().clone();
        let slack = json!({
            "provider": "slack", "name": "Our Slack",
            "auth_credentials": {
                "access_token": keys.slack_token, "signing_secret": keys.slack_signing_secret,
            },
            "settings": {"base_url": self.world.fakes.slack_base_url},
        });
        let slack = self.owner("integrations.create", Call::post("/api/v1/integrations").json(&slack)).await;
        let by_url = json!({
            "provider": "slack", "name": "Slack by address",
            "auth_credentials": {"webhook_url":
                format!("{}{}", self.world.fakes.slack_base_url, keys.slack_webhook_path)},
            "settings": {"base_url": self.world.fakes.slack_base_url},
        });
        self.owner("integrations.create", Call::post("/api/v1/integrations").json(&by_url)).await.expect(201);
        self.flow(text(&hubspot, "id"), "contacts").await;
        let steps = ["Our Slack", "Slack by address", "slack oauth2", "mailchimp api_key", "zapier catch_hook"]
            .iter()
            .zip(["slack.post_message", "slack.send_webhook", "slack.post_message",
                "mailchimp.upsert_members", "zapier.send"])
            .enumerate()
            .map(|(at, (connection, action))| json!({
                "id": format!("s{at}"), "type": "action", "action": action,
                "connection": connection, "continue_on_error": true,
                "retry": {"attempts": 2},
                "input": match action {
                    "zapier.send" => json!({"payload": {"text": "hello"}}),
                    "mailchimp.upsert_members" => json!({"list_id": "1", "items": [{"email_address": "a@example.com"}]}),
                    _ => json!({"text": "hello"}),
                },
            }))
            .collect::<Vec<_>>();
        let workflow = json!({"definition": {
            "version": 1, "name": "Tell everyone", "steps": steps,
            "trigger": {"type": "webhook", "config": {"event": "contact.creation"}},
        }});
        self.owner("workflows.create", Call::post("/api/v1/workflows").json(&workflow)).await.expect(201);
        let contact = self.world.fakes.handle.ids(ObjectType::Contacts)[0];
        let event = HubspotEvent::new("contact.creation", contact, 1);
        let delivery = self.world.fakes.handle.hubspot_webhook(text(&hubspot, "webhook_url"), &[event]);
        let receipt = self.world.deliver(&delivery).await;
        self.keep("hooks.receive", receipt).expect(202);
        for _ in 0..3 {
            self.world.settle_after(600).await;
        }
        assert!(self.world.fakes.handle.messages().len() >= 2, "{:?}", self.world.fakes.handle.messages());
        let slack_event = json!({"type": "event_callback", "event_id": "Ev1", "event": {"type": "message"}});
        let url = slack.expect(201).text_of("webhook_url");
        let delivery = self.world.fakes.handle.slack_event(&url, &slack_event);
        let receipt = self.world.deliver(&delivery).await;
        self.keep("hooks.receive", receipt).expect(202);
        // A provider that cannot sign has its secret in the address.
        let secret = self.marked.plant("secret of a webhook address");
        let zapier = json!({"provider": "zapier", "name": "Zap", "auth_credentials": {
            "webhook_url": format!("{}/hooks/x", self.echo.url()), "webhook_secret": secret,
        }, "settings": {"base_url": self.echo.url()}});
        let zapier = self.owner("integrations.create", Call::post("/api/v1/integrations").json(&zapier)).await;
        let url = zapier.expect(201).text_of("webhook_url");
        let hook = format!("{}?secret={secret}", url.trim_start_matches(PUBLIC_URL));
        let body = json!({"id": "1", "event": "zap.fired"});
        self.bare("hooks.receive", Call::post(&hook).json(&body)).await.expect(202);
    }

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
            let created = self.owner("integrations.create", Call::post("/api/v1/integrations").json(&new)).await;
            let id = created.expect(201).text_of("id");
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
            let report = self.owner("integrations.test_connection", test()).await.expect(200).json();
            assert_eq!(report["success"], true, "{provider} was refreshed: {report}");
            self.learn_stored(&id).await;
            self.world.fakes.handle.revoke_grants();
            self.world.app.db.sim.clock.advance_secs(50_000);
            let report = self.owner("integrations.test_connection", test()).await.expect(200).json();
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
            let created = self.owner("integrations.create", Call::post("/api/v1/integrations").json(&new)).await;
            let id = created.expect(201).text_of("id");
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
        let listed = self.owner("integrations.list", Call::get("/api/v1/integrations?limit=200")).await;
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

    /// Everything there is to read.
    pub async fn read_everything(&mut self) {
        let lists = [
            "providers", "integrations", "integrations/health_summary", "data-flows", "workflows",
            "runs", "collections", "users", "api-keys", "health-logs", "usage", "audit",
            "audit/verify", "tenant", "events/log",
        ];
        for list in lists {
            let mut offset = 0;
            loop {
                let path = format!("/api/v1/{list}?limit=200&offset={offset}&after={offset}");
                let page = self.owner(list, Call::get(&path)).await;
                assert_eq!(page.status, 200, "{list}: {}", page.text);
                let items = page.json()["items"].as_array().cloned().unwrap_or_default();
                for id in items.iter().filter_map(|item| item["id"].as_str()) {
                    if ["integrations", "data-flows", "workflows", "runs", "health-logs"].contains(&list) {
                        let one = Call::get(&format!("/api/v1/{list}/{id}"));
                        self.owner(list, one).await.expect(200);
                    }
                    if list == "data-flows" {
                        let rejected = Call::get(&format!("/api/v1/data-flows/{id}/rejected"));
                        self.owner("data-flows rejected", rejected).await.expect(200);
                    }
                }
                offset += 200;
                if items.len() < 200 {
                    break;
                }
            }
        }
        for format in ["csv", "jsonl"] {
            let path = format!("/api/v1/collections/mirror/things/export?format={format}");
            self.owner("collections.export", Call::get(&path)).await.expect(200);
        }
        for path in ["/metrics", "/health", "/health/ready", "/openapi.json", "/docs", "/"] {
            self.bare(path, Call::get(path)).await.expect(200);
        }
        // A stream that is told to stop first says all there is.
        self.world.app.app.stopping.cancel();
        let call = Call::get("/api/v1/events?after=0").bearer(self.world.ours.owner());
        let stream = self.world.app.open(call).await;
        let frames = axum::body::to_bytes(stream.into_body(), 64 * 1024 * 1024).await.unwrap();
        let frames = String::from_utf8(frames.to_vec()).unwrap();
        assert!(frames.matches("event: ").count() > 100, "{frames}");
        self.tape.push(("events.stream".to_owned(), frames));
    }
}
