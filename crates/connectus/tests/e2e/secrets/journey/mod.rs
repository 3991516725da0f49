//! Everything a tenant does with secrets, each of them a canary.

mod credentials;
mod oauth;
mod people;
mod providers;

use connectus::auth::settings::MIN_SECRET_BYTES;
use connectus_core::access::Role;
use connectus_sandbox::Keys;
use connectus_testkit::TestStore;
use secrecy::SecretString;
use serde_json::Value;

use super::{echo::Echo, marked::Marked};
use crate::support::{Answer, Call, world::World};

/// What there is to list, and whether each row can be read alone.
const LISTS: &[(&str, bool)] = &[
    ("providers", false),
    ("integrations", true),
    ("integrations/health_summary", false),
    ("data-flows", true),
    ("workflows", true),
    ("runs", true),
    ("collections", false),
    ("users", true),
    ("api-keys", false),
    ("health-logs", true),
    ("usage", false),
    ("audit", false),
    ("audit/verify", false),
    ("tenant", false),
    ("events/log", false),
];

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
            // The journey does not go there.
            ..Keys::default()
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

    /// Creates an integration.
    async fn create(&mut self, new: &Value) -> Value {
        let call = Call::post("/api/v1/integrations").json(new);
        self.owner("integrations.create", call).await.expect(201).json()
    }

    /// Everything there is to read.
    pub async fn read_everything(&mut self) {
        for (list, has_detail) in LISTS {
            for id in self.read_list(list).await {
                if *has_detail {
                    let one = Call::get(&format!("/api/v1/{list}/{id}"));
                    self.owner(list, one).await.expect(200);
                }
                if *list == "data-flows" {
                    let rejected = Call::get(&format!("/api/v1/{list}/{id}/rejected"));
                    self.owner("data_flows.rejected", rejected).await.expect(200);
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

    /// All pages of a list; the identifiers on them.
    async fn read_list(&mut self, list: &str) -> Vec<String> {
        let (mut ids, mut offset) = (Vec::new(), 0);
        loop {
            // The list of events goes by position, the others by offset.
            let from = if list == "events/log" { "after" } else { "offset" };
            let path = format!("/api/v1/{list}?limit=200&{from}={offset}");
            let page = self.owner(list, Call::get(&path)).await.expect(200).json();
            let items = page["items"].as_array().cloned().unwrap_or_default();
            let found = items.iter().filter_map(|item| item["id"].as_str()).map(str::to_owned);
            ids.extend(found);
            offset += 200;
            if items.len() < 200 {
                return ids;
            }
        }
    }
}
