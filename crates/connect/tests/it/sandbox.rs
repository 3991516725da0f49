//! The packs against the stateful fakes.

use std::sync::Arc;

use connectus_connect::{
    Connection, Connector, Settings,
    credential::Fixed,
    governor::NoSink,
    oauth::{self, OAuthClient, Pkce},
    packs,
    webhook::{self, Delivery},
};
use connectus_core::{Code, Env, Timestamp};
use connectus_sandbox::{
    Fault, FaultKind, HubspotEvent, ObjectType, Provider, Running, Sandbox, SandboxConfig,
};
use http::{HeaderMap, HeaderName};
use secrecy::SecretString;
use serde_json::json;

use crate::world::{TestClock, access, client, env, secrets};

struct World {
    sandbox: Running,
    env: Env,
    clock: Arc<TestClock>,
}

impl World {
    async fn start() -> Self {
        let (env, clock) = env();
        let config = SandboxConfig { contacts: 250, ..SandboxConfig::new(env.clone()) };
        Self { sandbox: Sandbox::start(config).await.unwrap(), env, clock }
    }

    fn connect(&self, pack: &str) -> Connection {
        let keys = self.sandbox.handle.keys();
        let (base, token) = match pack {
            "slack" => (&self.sandbox.slack_base_url, &keys.slack_token),
            _ => (&self.sandbox.hubspot_base_url, &keys.hubspot_token),
        };
        let hook = format!("{base}{}", keys.slack_webhook_path);
        let fields = [("access_token", token.as_str()), ("webhook_url", hook.as_str())];
        let source = Arc::new(Fixed(access(base, &fields)));
        let settings = Settings::from_json(&json!({"base_url": base})).unwrap();
        let connector = Connector::new(client(base), self.env.clone(), Arc::new(NoSink));
        connector.connect(&packs::find(pack).unwrap(), &settings, "cred", source).unwrap()
    }
}

#[tokio::test]
async fn hubspot_is_read_written_and_read_by_changes() {
    let world = World::start().await;
    let hubspot = world.connect("hubspot");
    hubspot.test().await.unwrap();
    for (stream, rows) in [("contacts", 250), ("companies", 60), ("deals", 80)] {
        let mut reader = hubspot.read(stream, None).unwrap();
        let (mut seen, mut cursor) = (0, None);
        while let Some(page) = reader.next_page().await.unwrap() {
            seen += page.records.len();
            cursor = page.cursor;
        }
        assert_eq!(seen, rows, "{stream}");
        if stream != "contacts" {
            continue;
        }
        world.clock.advance_secs(600);
        let id = world.sandbox.handle.ids(ObjectType::Contacts)[10];
        world.sandbox.handle.edit(ObjectType::Contacts, id, &[("firstname", "Zoé")]).unwrap();
        let mut changes = hubspot.read(stream, cursor.as_ref()).unwrap();
        let page = changes.next_page().await.unwrap().unwrap();
        assert_eq!(page.records.len(), 1);
        assert_eq!(page.records[0]["properties"]["firstname"], "Zoé");
        assert!(changes.next_page().await.unwrap().is_none());
    }
    let input = json!({"items": [
        {"id": "new.person@example.com", "properties": {"email": "new.person@example.com"}},
    ]});
    let before = world.sandbox.handle.count(ObjectType::Contacts);
    for _ in 0..2 {
        let outcome = hubspot.call("upsert_contacts", &input, "ten/run/step").await.unwrap();
        assert_eq!((outcome.ids.len(), outcome.failed.len()), (1, 0));
    }
    assert_eq!(world.sandbox.handle.count(ObjectType::Contacts), before + 1);
    assert_eq!(world.sandbox.handle.effect(Provider::Hubspot, "ten/run/step").calls, 2);
    let find = json!({"properties": {"email": "new.person@example.com"}});
    assert_eq!(hubspot.call("find_contact", &find, "k").await.unwrap().ids.len(), 1);
}

#[tokio::test]
async fn slack_posts_lists_and_takes_the_secret_url() {
    let world = World::start().await;
    let slack = world.connect("slack");
    slack.test().await.unwrap();
    let mut reader = slack.read("channels", None).unwrap();
    let channels = reader.next_page().await.unwrap().unwrap().records;
    let channel = channels[0]["id"].as_str().unwrap();
    let input = json!({"channel": channel, "text": "A new lead"});
    let outcome = slack.call("post_message", &input, "ten/run/notify").await.unwrap();
    assert_eq!(outcome.ids.len(), 1);
    slack.call("send_webhook", &json!({"text": "By webhook"}), "ten/run/hook").await.unwrap();
    let texts: Vec<_> = world.sandbox.handle.messages().into_iter().map(|m| m.text).collect();
    assert_eq!(texts, ["A new lead", "By webhook"]);
    let wrong = json!({"channel": "C_NOWHERE", "text": "x"});
    let error = slack.call("post_message", &wrong, "ten/run/wrong").await.unwrap_err();
    assert_eq!(error.extra["provider_word"], "channel_not_found");
}

#[tokio::test]
async fn faults_are_told_apart() {
    let world = World::start().await;
    let hubspot = world.connect("hubspot");
    let path = "/crm/v3/objects/contacts";
    for (kind, code) in [
        (FaultKind::Status { status: 503 }, Code::ProviderUnavailable),
        (FaultKind::Html200, Code::ProviderUnavailable),
        (FaultKind::ExpiredToken, Code::ReauthRequired),
    ] {
        world.sandbox.handle.fault(Fault::on("GET", path, kind).times(1));
        let error = hubspot.read("contacts", None).unwrap().next_page().await.unwrap_err();
        assert_eq!(error.code, code, "{error}");
    }
    assert!(hubspot.test().await.is_ok());
}

#[tokio::test]
async fn oauth_goes_all_the_way_round() {
    let world = World::start().await;
    let (base, keys) = (&world.sandbox.hubspot_base_url, world.sandbox.handle.keys());
    let app = OAuthClient {
        client_id: keys.hubspot_client_id.clone(),
        client_secret: Some(SecretString::from(keys.hubspot_client_secret.as_str())),
        redirect_uri: "http://127.0.0.1:8360/callback".into(),
    };
    let plan = packs::find("hubspot").unwrap();
    let settings = Settings::from_json(&json!({"base_url": base})).unwrap();
    let (http, pkce) = (client(base), Pkce::new(&world.env));
    let state = oauth::new_state(&world.env);
    let url = oauth::authorize_url(&http, &plan, &settings, &app, &state, &pkce).unwrap();
    // The person says yes.
    let allow = connectus_connect::http::GuardedRequest::new(http::Method::GET, url + "&allow=1");
    let answer = http.send(allow).await.unwrap();
    let back = url::Url::parse(answer.header("location").unwrap()).unwrap();
    let code = back.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let now = world.env.now();
    let code = SecretString::from(code);
    let tokens =
        oauth::exchange_code(&http, &plan, &settings, &app, &code, &pkce, now).await.unwrap();
    assert_eq!(tokens.expires_at, Some(now.plus_secs(1_800)));
    let mut held = secrets(&[("client_id", &keys.hubspot_client_id)]);
    tokens.store_in(&mut held);
    world.clock.advance_secs(1_799);
    let spend = oauth::refresh_input(&plan, &held).unwrap().clone();
    let now: Timestamp = world.env.now();
    let renewed = oauth::refresh(&http, &plan, &settings, &app, &spend, now).await.unwrap();
    assert!(renewed.expires_at > tokens.expires_at);
    assert!(oauth::revoke(&http, &plan, &settings, &app, &held).await.unwrap());
    let error = oauth::refresh(&http, &plan, &settings, &app, &spend, now).await.unwrap_err();
    assert_eq!(error.code, Code::ReauthRequired, "{error}");
}

#[tokio::test]
async fn a_signed_webhook_verifies_and_a_forged_one_does_not() {
    let world = World::start().await;
    let url = "https://connectus.example/hooks/ten_1/hook_1?x=a%3Ab";
    let event = HubspotEvent::new("contact.creation", 101, 7);
    let signed = world.sandbox.handle.hubspot_webhook(url, &[event]);
    let headers: HeaderMap = signed
        .headers
        .iter()
        .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
        .collect();
    let plan = packs::find("hubspot").unwrap();
    let triggers = plan.pack.triggers.as_ref().unwrap();
    let keys = world.sandbox.handle.keys();
    let held = secrets(&[("client_secret", &keys.hubspot_client_secret)]);
    let body = signed.body.as_bytes();
    let delivery = Delivery { method: signed.method, url, headers: &headers, body };
    webhook::verify(triggers, &held, delivery, world.env.now()).unwrap();
    let events = webhook::events(triggers, body).unwrap();
    assert_eq!(
        (events[0].name.as_str(), events[0].object_id.as_deref()),
        ("contact.creation", Some("101"))
    );
    let forged = Delivery { body: b"[]", ..delivery };
    let error = webhook::verify(triggers, &held, forged, world.env.now()).unwrap_err();
    assert_eq!(error.code, Code::BadSignature);
}
