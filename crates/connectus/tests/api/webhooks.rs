//! Outgoing webhooks by the API, and the examples of their guide.

use connectus_core::access::Role;
use connectus_sandbox::{Sandbox, SandboxConfig};
use connectus_testkit::{TestStore, both};
use serde_json::{Value, json};

use crate::{
    receiver::{Answer, Server},
    support::{Call, Organisation, TestApp},
};

const GUIDE: &str = include_str!("../../../../docs/guides/webhooks.md");
const PATH: &str = "/api/v1/webhook-subscriptions";

/// The JSON example of the guide that follows a heading.
#[track_caller]
fn example(heading: &str) -> Value {
    let (_, rest) = GUIDE.split_once(&format!("\n## {heading}\n")).unwrap();
    let (_, rest) = rest.split_once("```json\n").unwrap();
    let (text, _) = rest.split_once("\n```").unwrap();
    serde_json::from_str(text).unwrap()
}

struct Office {
    app: TestApp,
    ours: Organisation,
    receiver: Server,
}

impl Office {
    async fn open(db: TestStore, answers: impl Fn(usize) -> u16 + Send + Sync + 'static) -> Self {
        let receiver = Server::start(move |n, _| Answer::status(answers(n), "thanks")).await;
        let address = receiver.addr.to_string();
        let app = TestApp::with(db, |all| all.egress.allow.push(address.parse().unwrap())).await;
        let ours = app.organisation("Ours").await;
        Self { app, ours, receiver }
    }

    async fn send(&self, call: Call) -> crate::support::Answer {
        self.app.send(call.bearer(self.ours.owner())).await
    }

    async fn subscribe(&self, mut body: Value) -> Value {
        body["url"] = json!(self.receiver.url() + "/hooks");
        self.send(Call::post(PATH).json(&body)).await.expect(201).json()
    }

    async fn workflow(&self) {
        let body = crate::support::objects::body("workflows.create").unwrap();
        self.send(Call::post("/api/v1/workflows").json(&body)).await.expect(201);
    }

    async fn deliver(&self) {
        self.app.app.engine.deliver_until_idle().await.unwrap();
    }
}

both! {
    /// Zapier's REST hooks: a Zap subscribes with its target, gets samples to show its owner, is
    /// told, and unsubscribes; one that is gone says so and hears nothing more.
    async fn a_zap_subscribes_is_told_and_unsubscribes(db: TestStore) {
        let zapier = Sandbox::start(SandboxConfig::new(db.store.env().clone())).await.unwrap();
        let address = zapier.zapier_base_url.trim_start_matches("http://").to_owned();
        let app = TestApp::with(db, |all| all.egress.allow.push(address.parse().unwrap())).await;
        let ours = app.organisation("Ours").await;
        let receiver = Server::start(|_, _| Answer::status(204, "")).await;
        let office = Office { app, ours, receiver };
        let samples = format!("{PATH}/samples?types=workflow.created");
        assert_eq!(office.send(Call::get(&samples)).await.expect(200).json(), json!([]));
        let mut zaps = Vec::new();
        for _ in 0..2 {
            let target = zapier.handle.zapier_subscribe();
            let url = format!("{}{target}", zapier.zapier_base_url);
            let body = json!({"url": url, "events": ["workflow.created"]});
            let made = office.send(Call::post(PATH).json(&body)).await.expect(201).json();
            zaps.push((target, format!("{PATH}/{}", made["id"].as_str().unwrap())));
        }
        office.workflow().await;
        office.deliver().await;
        let shown = office.send(Call::get(&samples)).await.expect(200).json();
        let caught = zapier.handle.zapier_caught(&zaps[0].0);
        assert_eq!(json!(caught), shown, "a sample has the shape of what is sent");
        assert_eq!(caught[0]["type"], "workflow.created");
        office.send(Call::delete(&zaps[0].1)).await.expect(204);
        zapier.handle.zapier_turn_off(&zaps[1].0);
        office.workflow().await;
        office.deliver().await;
        assert_eq!(zapier.handle.zapier_caught(&zaps[0].0).len(), 1, "unsubscribed");
        let gone = office.send(Call::get(&zaps[1].1)).await.expect(200).json();
        assert_eq!((&gone["enabled"], &gone["disabled_reason"]), (&json!(false), &json!("gone")));
        let newest = office.send(Call::get(&samples)).await.expect(200).json();
        assert_eq!((newest.as_array().unwrap().len(), &newest[1]), (2, &shown[0]), "newest first");
        let wrong = Call::get(&format!("{PATH}/samples?types=nothing.at.all"));
        office.send(wrong).await.refused(422, "invalid");
    }

    async fn from_subscription_to_dead_letter_and_back_as_the_guide_says(db: TestStore) {
        let office = Office::open(db, |n| if n < 8 { 500 } else { 204 }).await;
        let made = office.subscribe(example("Subscribing")).await;
        let secret = made["secret"].as_str().unwrap();
        assert!(secret.starts_with("whsec_"));
        let path = format!("{PATH}/{}", made["id"].as_str().unwrap());
        let shown = office.send(Call::get(&path)).await.expect(200);
        assert!(!shown.text.contains("whsec_"), "shown once: {}", shown.text);
        assert_eq!(shown.json()["enabled"], true);

        office.workflow().await;
        for wait in connectus_core::delivery::SCHEDULE {
            office.app.db.sim.clock.advance_secs(wait);
            office.deliver().await;
        }
        assert_eq!(office.receiver.requests().len(), 8);
        let list = format!(
            "/api/v1/deliveries?status=dead&subscription_id={}", made["id"].as_str().unwrap(),
        );
        let listed = office.send(Call::get(&list)).await.expect(200).json();
        assert_eq!(listed["total_count"], 1);
        let delivery = format!("/api/v1/deliveries/{}", listed["items"][0]["id"].as_str().unwrap());
        let shown = office.send(Call::get(&delivery)).await.expect(200).json();
        assert_eq!(shown["log"].as_array().unwrap().len(), 8);
        assert_eq!((&shown["log"][0]["status"], &shown["log"][0]["response"]),
            (&json!(500), &json!("thanks")));

        let replayed = office.send(Call::post(&(delivery.clone() + "/replay"))).await.expect(202);
        assert_eq!(replayed.json()["status"], "pending");
        office.deliver().await;
        let shown = office.send(Call::get(&delivery)).await.expect(200).json();
        assert_eq!((&shown["status"], &shown["total_attempts"]), (&json!("delivered"), &json!(9)));
        let all = Call::post(&(path.clone() + "/replay")).json(&example("Sending again"));
        assert_eq!(office.send(all).await.expect(202).json(), json!({"deliveries": 0}));

        // What arrives has the members that the guide shows.
        let members = |value: &Value| -> Vec<String> {
            value.as_object().unwrap().keys().cloned().collect()
        };
        let sent: Value = serde_json::from_str(&office.receiver.requests()[0].body).unwrap();
        assert_eq!(members(&sent), members(&example("What arrives")));
    }

    async fn a_subscription_is_changed_rotated_paused_and_deleted(db: TestStore) {
        let office = Office::open(db, |_| 200).await;
        let made = office.subscribe(json!({})).await;
        assert_eq!(made["events"], json!(["*"]));
        let path = format!("{PATH}/{}", made["id"].as_str().unwrap());
        let rotated = office.send(Call::post(&(path.clone() + "/rotate-secret"))).await.expect(200);
        assert_ne!(rotated.json()["secret"], made["secret"]);
        assert!(rotated.json()["previous_secret_until"].is_string());
        let stale = Call::patch(&path).json(&json!({"enabled": false})).header("if-match", "\"1\"");
        office.send(stale).await.refused(412, "precondition_failed");
        let change = Call::patch(&path).json(&example("Pausing"));
        let paused = office.send(change).await.expect(200).json();
        assert_eq!((&paused["enabled"], &paused["disabled_reason"]),
            (&json!(false), &json!("person")));
        office.workflow().await;
        office.deliver().await;
        assert!(office.receiver.requests().is_empty());
        office.send(Call::patch(&path).json(&json!({"enabled": true}))).await.expect(200);
        office.deliver().await;
        let requests = office.receiver.requests();
        assert!(requests.iter().any(|one| one.body.contains("workflow.created")));
        office.send(Call::delete(&path)).await.expect(204);
        office.send(Call::get(&path)).await.refused(404, "not_found");
        let left = office.send(Call::get("/api/v1/deliveries")).await.expect(200);
        assert_eq!(left.json()["total_count"], 0);
    }

    async fn what_makes_no_sense_is_refused(db: TestStore) {
        let office = Office::open(db, |_| 200).await;
        for (body, code) in [
            (json!({"url": "http://127.0.0.1:1/"}), "egress_denied"),
            (json!({"url": "https://169.254.169.254/latest"}), "egress_denied"),
            (json!({"url": "https://u:p@example.com/"}), "egress_denied"),
            (json!({"url": "file:///etc/passwd"}), "egress_denied"),
            (json!({"url": "https://example.com/", "events": ["run"]}), "invalid"),
            (json!({"url": "https://example.com/", "events": []}), "invalid"),
            (json!({"url": format!("https://example.com/{}", "x".repeat(2048))}), "invalid"),
            (json!({"url": "https://example.com/", "description": "x".repeat(501)}), "invalid"),
        ] {
            office.send(Call::post(PATH).json(&body)).await.refused(422, code);
        }
        let bad = Call::get("/api/v1/deliveries?status=lost");
        office.send(bad).await.refused(422, "invalid");
        // Whoever may look may not send events elsewhere.
        let body = json!({"url": "https://example.com/"});
        let call = Call::post(PATH).json(&body).bearer(office.ours.key(Role::Editor));
        office.app.send(call).await.refused(403, "forbidden");
    }

    async fn a_tenant_s_events_go_to_its_own_subscriptions(db: TestStore) {
        let office = Office::open(db, |_| 200).await;
        office.subscribe(json!({"events": ["workflow.created"]})).await;
        let theirs = office.app.organisation("Theirs").await;
        let body = crate::support::objects::body("workflows.create").unwrap();
        let call = Call::post("/api/v1/workflows").json(&body).bearer(theirs.owner());
        office.app.send(call).await.expect(201);
        office.deliver().await;
        assert!(office.receiver.requests().is_empty());
    }
}
