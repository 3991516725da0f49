//! A new contact at HubSpot becomes a contact here and a message in Slack.

use base64::{Engine, engine::general_purpose::STANDARD};
use connectus::telemetry::metrics;
use connectus_core::access::Role;
use connectus_sandbox::{Fault, FaultKind, HubspotEvent, ObjectType, SignedWebhook};
use connectus_testkit::{TestStore, both};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::{
    Call, log,
    world::{World, text},
};

/// The workflow, word for word as the requirements give it.
fn new_lead_alert(integration: &Value) -> Value {
    json!({
        "integration": integration["id"],
        "name": "New Lead Alert",
        "trigger_type": "webhook",
        "trigger_config": {"event": "contact.creation"},
        "actions": [
            {"type": "create_contact", "target": "digisol_crm"},
            {"type": "send_notification", "channel": "slack"}
        ]
    })
}

/// A tenant that waits for leads.
struct Desk {
    world: World,
    hubspot: Value,
    workflow: String,
}

impl Desk {
    async fn open(db: TestStore) -> Self {
        let world = World::with(db, |fakes| fakes.contacts = 10, |_| {}).await;
        let hubspot = world.hubspot().await;
        world.slack().await;
        let made = world.owner().post("/integrations/workflows/", &new_lead_alert(&hubspot)).await;
        let workflow = made.expect(201).text_of("id");
        Self { world, hubspot, workflow }
    }

    /// A contact that someone enters at HubSpot, and what HubSpot then sends.
    fn lead(&self, email: &str, event: u64) -> (u64, SignedWebhook) {
        let properties = [("email", email), ("firstname", "Awa"), ("lastname", "Diop")];
        let handle = &self.world.fakes.handle;
        let id = handle.add(ObjectType::Contacts, &properties).unwrap();
        let event = HubspotEvent::new("contact.creation", id, event);
        (id, handle.hubspot_webhook(text(&self.hubspot, "webhook_url"), &[event]))
    }

    /// Any body, signed as HubSpot would.
    fn signed(&self, body: &str) -> SignedWebhook {
        let url = text(&self.hubspot, "webhook_url").to_owned();
        let at = self.world.app.db.sim.env.now().millis().to_string();
        let secret = self.world.fakes.handle.keys().hubspot_client_secret.as_bytes();
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
        mac.update(format!("POST{url}{body}{at}").as_bytes());
        let headers = vec![
            ("content-type", "application/json".to_owned()),
            ("x-hubspot-signature-v3", STANDARD.encode(mac.finalize().into_bytes())),
            ("x-hubspot-request-timestamp", at),
        ];
        SignedWebhook { method: "POST", url, headers, body: body.to_owned() }
    }

    /// The path of the webhook address.
    fn path(&self) -> &str {
        text(&self.hubspot, "webhook_url").trim_start_matches(crate::support::PUBLIC_URL)
    }

    async fn workflow(&self) -> Value {
        let path = format!("/integrations/workflows/{}/", self.workflow);
        self.world.owner().get(&path).await.expect(200).json()
    }

    async fn executions(&self) -> Vec<Value> {
        let path = format!("/integrations/workflows/{}/executions/", self.workflow);
        let answer = self.world.as_role(Role::Viewer).get(&path).await.expect(200).json();
        answer["items"].as_array().unwrap().clone()
    }

    /// The only execution, with its steps.
    async fn execution(&self) -> Value {
        let all = self.executions().await;
        assert_eq!(all.len(), 1, "{all:?}");
        let path = format!("/integrations/executions/{}/", text(&all[0], "id"));
        self.world.as_role(Role::Viewer).get(&path).await.expect(200).json()
    }

    async fn contact(&self, key: &str) -> Option<Value> {
        let mut conn = self.world.app.app.store().read().await.unwrap();
        let collection = "digisol_crm/contacts".parse().unwrap();
        let found = conn.record(&self.world.ours.ctx, &collection, key).await.unwrap();
        found.map(|record| Value::Object(record.data))
    }

    fn messages(&self) -> Vec<String> {
        self.world.fakes.handle.messages().into_iter().map(|message| message.text).collect()
    }
}

/// The step of a run with this id.
#[track_caller]
fn step<'r>(run: &'r Value, id: &str) -> &'r Value {
    let steps = run["steps"].as_array().unwrap();
    steps.iter().find(|step| step["id"] == id).unwrap_or_else(|| panic!("no step {id} in {run:#}"))
}

both! {
    async fn a_lead_becomes_a_contact_and_a_message_once(db: TestStore) {
        let desk = Desk::open(db).await;
        let before = desk.workflow().await;
        assert_eq!((&before["execution_count"], &before["success_count"]), (&json!(0), &json!(0)));
        let (id, webhook) = desk.lead("awa.diop@example.com", 100);
        let receipt = desk.world.deliver(&webhook).await.expect(202).json();
        assert_eq!(receipt, json!({"status": "accepted", "events": 1, "runs": 1}));
        assert_eq!(desk.executions().await[0]["status"], "queued");

        desk.world.settle().await;
        let run = desk.execution().await;
        assert_eq!(run["status"], "completed", "{run:#}");
        assert_eq!(run["trigger"], "webhook");
        assert_eq!(run["input"]["event"], "contact.creation");
        let contact = desk.contact(&format!("hubspot:{id}")).await.unwrap();
        assert_eq!(contact["email"], "awa.diop@example.com");
        assert_eq!(contact["firstname"], "Awa");
        let messages = desk.messages();
        assert_eq!(messages.len(), 1);
        assert!(messages[0].contains("New Lead Alert"), "{messages:?}");
        assert!(messages[0].contains("awa.diop@example.com"), "{messages:?}");
        let after = desk.workflow().await;
        assert_eq!((&after["execution_count"], &after["success_count"]), (&json!(1), &json!(1)));

        // HubSpot delivers at least once: the same delivery again starts nothing.
        for attempt in 1..=3 {
            desk.world.app.db.sim.clock.advance_secs(1);
            let event = HubspotEvent { attempt, ..HubspotEvent::new("contact.creation", id, 100) };
            let again = desk.world.fakes.handle.hubspot_webhook(&webhook.url, &[event]);
            for delivery in [&webhook, &again] {
                let receipt = desk.world.deliver(delivery).await.expect(200).json();
                assert_eq!(receipt, json!({"status": "replayed", "events": 0, "runs": 0}));
            }
        }
        desk.world.settle().await;
        assert_eq!((desk.executions().await.len(), desk.messages().len()), (1, 1));
        assert_eq!(desk.workflow().await["execution_count"], 1);
    }

    async fn a_lead_that_is_synced_too_is_one_record(db: TestStore) {
        let desk = Desk::open(db).await;
        let (id, webhook) = desk.lead("awa.diop@example.com", 7);
        desk.world.deliver(&webhook).await.expect(202);
        desk.world.settle().await;
        let owner = desk.world.owner();
        let flow = json!({
            "integration": desk.hubspot["id"], "name": "Contacts", "direction": "inbound",
            "source_fields": ["email", "first_name"], "target_fields": ["email", "firstname"],
            "conflict_policy": "source_wins",
        });
        let flow = owner.post("/api/v1/data-flows", &flow).await.expect(201).text_of("id");
        owner.poke(&format!("/api/v1/data-flows/{flow}/sync")).await.expect(202);
        desk.world.settle().await;
        let records = "/api/v1/collections/digisol_crm/contacts/records";
        let all = owner.get(records).await.expect(200).json();
        assert_eq!(all["total_count"], 11, "ten who were there, and one lead");
        let lead = owner.get(&format!("{records}/hubspot:{id}")).await.expect(200).json();
        assert_eq!(lead["data"]["email"], "awa.diop@example.com");
        let (_, next) = desk.lead("next@example.com", 8);
        desk.world.deliver(&next).await.expect(202);
        desk.world.settle().await;
        desk.world.settle_after(86_400).await;
        assert_eq!(owner.get(records).await.json()["total_count"], 12);
    }

    async fn an_execution_tells_what_each_step_got_made_and_took(db: TestStore) {
        let desk = Desk::open(db).await;
        let (id, webhook) = desk.lead("awa.diop@example.com", 7);
        desk.world.deliver(&webhook).await.expect(202);
        desk.world.settle().await;
        let run = desk.execution().await;
        let names: Vec<&str> =
            run["steps"].as_array().unwrap().iter().map(|step| text(step, "id")).collect();
        assert_eq!(names, ["record", "create_contact", "send_notification"]);
        for name in names {
            let step = step(&run, name);
            assert_eq!(step["status"], "completed", "{step:#}");
            assert!(step["output"].is_object(), "{step:#}");
            assert_eq!(step["error"], Value::Null);
            assert!(step["duration_ms"].as_i64() >= Some(0), "{step:#}");
            let attempts = step["attempts"].as_array().unwrap();
            assert_eq!((attempts.len(), &attempts[0]["number"]), (1, &json!(1)));
            for at in ["started_at", "finished_at"] {
                text(step, at);
                text(&attempts[0], at);
            }
        }
        assert_eq!(step(&run, "record")["output"]["email"], "awa.diop@example.com");
        let made = step(&run, "create_contact");
        assert_eq!(made["action"], "collection.upsert");
        assert_eq!(made["input"]["collection"], "digisol_crm/contacts");
        assert_eq!(made["input"]["record"]["id"], json!(id.to_string()));
        assert_eq!(made["output"]["change"], "created");
        let told = step(&run, "send_notification");
        assert_eq!(told["action"], "slack.post_message");
        assert!(text(&told["input"], "text").contains("awa.diop@example.com"));
        // The message carries a key that is equal over attempts, so that Slack could drop a second.
        let effects = desk.world.fakes.handle.effect_summary();
        assert_eq!((effects.distinct, effects.duplicates), (1, 0), "{effects:?}");
    }

    async fn a_delivery_that_is_not_the_providers_leaves_no_trace(db: TestStore) {
        let desk = Desk::open(db).await;
        let (_, webhook) = desk.lead("awa.diop@example.com", 1);
        let handle = &desk.world.fakes.handle;
        let events = [HubspotEvent::new("contact.creation", 1, 1)];
        let elsewhere = format!("{}?x=1", webhook.url);
        let mut forged = vec![
            (
                "no signature",
                SignedWebhook {
                    headers: vec![("content-type", "application/json".into())],
                    ..webhook.clone()
                },
            ),
            ("another secret", handle.hubspot_webhook_with(&webhook.url, "guess", &events)),
            ("an empty secret", handle.hubspot_webhook_with(&webhook.url, "", &events)),
            (
                "signed for another address",
                SignedWebhook {
                    url: webhook.url.clone(),
                    ..handle.hubspot_webhook(&elsewhere, &events)
                },
            ),
            (
                "another body",
                SignedWebhook {
                    body: webhook.body.replace("contact.creation", "company.creation"),
                    ..webhook.clone()
                },
            ),
            (
                "a body written differently",
                SignedWebhook { body: webhook.body.replace(':', ": "), ..webhook.clone() },
            ),
        ];
        for name in ["x-hubspot-signature-v3", "x-hubspot-request-timestamp"] {
            let mut twisted = webhook.clone();
            for (header, value) in &mut twisted.headers {
                if *header == name {
                    *value = value.chars().rev().collect();
                }
            }
            forged.push(("a twisted header", twisted));
        }
        let before = desk.world.everything().await;
        metrics::init().unwrap();
        let (log, logging) = log::capture();
        for (what, delivery) in &forged {
            let answer = desk.world.deliver(delivery).await;
            assert_eq!((answer.status, answer.code().as_str()), (401, "bad_signature"), "{what}");
        }
        // Genuine, but older than the five minutes HubSpot allows.
        desk.world.app.db.sim.clock.advance_secs(301);
        desk.world.deliver(&webhook).await.refused(401, "bad_signature");
        assert_eq!(desk.world.everything().await, before, "something was stored");
        drop(logging);
        let log = log.text();
        let told = log.lines().filter(|line| line.contains("WARN") && line.contains("refused"));
        let told: Vec<&str> = told.filter(|line| line.contains("webhook.receive")).collect();
        assert_eq!(told.len(), forged.len() + 1, "{log}");
        assert!(told.iter().all(|line| line.contains("bad_signature")), "{told:?}");
        let figures = desk.world.app.send(Call::get("/metrics")).await.expect(200).text;
        let counted = "connectus_webhooks_refused_total{code=\"bad_signature\"}";
        assert!(figures.contains(counted), "{figures}");

        // The event itself was not used up by the forgeries.
        let (_, genuine) = desk.lead("other@example.com", 1);
        desk.world.deliver(&genuine).await.expect(202);
        assert_ne!(desk.world.everything().await, before, "the comparison sees what is stored");
    }

    async fn an_unknown_address_answers_like_one_of_another_tenant(db: TestStore) {
        let desk = Desk::open(db).await;
        let (_, webhook) = desk.lead("awa.diop@example.com", 1);
        let theirs = desk.world.app.organisation("Theirs").await;
        let ours = desk.world.ours.id.as_str();
        let swapped = webhook.url.replace(ours, theirs.id.as_str());
        let mut answers = Vec::new();
        for url in [swapped, format!("{}x", webhook.url), format!("{}0", webhook.url)] {
            let event = HubspotEvent::new("contact.creation", 1, 1);
            let delivery = desk.world.fakes.handle.hubspot_webhook(&url, &[event]);
            answers.push(desk.world.deliver(&delivery).await.refused(404, "not_found").text);
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{answers:?}");
    }

    async fn a_person_executes_it_with_an_input_of_their_own(db: TestStore) {
        let desk = Desk::open(db).await;
        let path = format!("/integrations/workflows/{}/execute/", desk.workflow);
        let input = json!({"input": {"email": "by.hand@example.com", "firstname": "Hand"}});
        let operator = desk.world.as_role(Role::Operator);
        let answer = operator.post(&path, &input).await.expect(202);
        let location = answer.header("location").to_owned();
        assert_eq!(location, format!("/api/v1/runs/{}", answer.text_of("id")));
        desk.world.settle().await;
        let run = operator.get(&location).await.expect(200).json();
        assert_eq!((&run["status"], &run["trigger"]), (&json!("completed"), &json!("manual")));
        let contact = desk.contact("by.hand@example.com").await.unwrap();
        assert_eq!(contact["firstname"], "Hand");
        assert!(desk.messages()[0].contains("by.hand@example.com"));
        assert_eq!(desk.workflow().await["success_count"], 1);
        desk.world.as_role(Role::Viewer).post(&path, &input).await.refused(403, "forbidden");
    }

    async fn a_provider_that_stumbles_is_asked_again_later(db: TestStore) {
        let desk = Desk::open(db).await;
        let stumble = Fault::on("POST", "/api/chat.postMessage", FaultKind::Status { status: 500 });
        desk.world.fakes.handle.fault(stumble);
        let (_, webhook) = desk.lead("awa.diop@example.com", 1);
        desk.world.deliver(&webhook).await.expect(202);
        desk.world.settle().await;
        let run = desk.execution().await;
        let waiting = step(&run, "send_notification");
        assert_eq!(waiting["status"], "retrying", "{waiting:#}");
        assert_eq!(waiting["attempts"].as_array().unwrap().len(), 1);
        text(waiting, "next_attempt_at");
        assert!(desk.messages().is_empty());

        desk.world.settle_after(60).await;
        let run = desk.execution().await;
        assert_eq!(run["status"], "completed", "{run:#}");
        let told = step(&run, "send_notification");
        let attempts = told["attempts"].as_array().unwrap();
        assert_eq!(attempts.len(), 2);
        assert_eq!(attempts[0]["error"]["code"], "provider_unavailable");
        assert_eq!(attempts[0]["error"]["transient"], true);
        assert_eq!(attempts[1]["error"], Value::Null);
        // The steps before it were not repeated.
        assert_eq!(step(&run, "create_contact")["attempts"].as_array().unwrap().len(), 1);
        assert_eq!(desk.messages().len(), 1);
    }

    async fn an_answer_that_got_lost_does_not_double_the_message(db: TestStore) {
        let desk = Desk::open(db).await;
        let lost = Fault::on("POST", "/api/chat.postMessage", FaultKind::Drop).after_effect();
        desk.world.fakes.handle.fault(lost);
        let (_, webhook) = desk.lead("awa.diop@example.com", 1);
        desk.world.deliver(&webhook).await.expect(202);
        desk.world.settle().await;
        desk.world.settle_after(60).await;
        let run = desk.execution().await;
        assert_eq!(run["status"], "completed", "{run:#}");
        assert_eq!(step(&run, "send_notification")["attempts"].as_array().unwrap().len(), 2);
        assert_eq!(desk.messages().len(), 1);
        assert_eq!(desk.world.fakes.handle.effect_summary().duplicates, 0);
    }

    async fn a_channel_that_is_not_there_fails_with_what_to_do(db: TestStore) {
        let desk = Desk::open(db).await;
        let path = format!("/integrations/workflows/{}/", desk.workflow);
        let change = json!({"actions": [
            {"type": "create_contact", "target": "digisol_crm"},
            {"type": "send_notification", "channel": "slack", "to": "#no-such-channel"}
        ]});
        desk.world.owner().patch(&path, &change).await.expect(200);
        let (id, webhook) = desk.lead("awa.diop@example.com", 1);
        desk.world.deliver(&webhook).await.expect(202);
        desk.world.settle().await;
        desk.world.settle_after(3_600).await;
        let run = desk.execution().await;
        assert_eq!(run["status"], "failed", "{run:#}");
        assert_eq!(run["error"]["code"], "provider_refused");
        assert_eq!(run["error"]["transient"], false);
        let message = text(&run["error"], "message");
        assert!(message.contains("channel_not_found"), "{message}");
        assert!(message.contains("Check the channel's id"), "{message}");
        let told = step(&run, "send_notification");
        assert_eq!(
            (&told["status"], told["attempts"].as_array().unwrap().len()),
            (&json!("failed"), 1)
        );
        assert!(desk.contact(&format!("hubspot:{id}")).await.is_some(), "what was done stays done");
        let after = desk.workflow().await;
        assert_eq!((&after["execution_count"], &after["success_count"]), (&json!(1), &json!(0)));
    }

    async fn events_it_does_not_wait_for_start_nothing(db: TestStore) {
        let desk = Desk::open(db).await;
        let handle = &desk.world.fakes.handle;
        let url = text(&desk.hubspot, "webhook_url");
        let others = ["contact.deletion", "company.creation", "contact.creations", "contact"];
        let events: Vec<_> =
            others.iter().zip(1..).map(|(name, id)| HubspotEvent::new(name, 1, id)).collect();
        let receipt = desk.world.deliver(&handle.hubspot_webhook(url, &events)).await;
        let receipt = receipt.expect(202).json();
        assert_eq!(receipt, json!({"status": "accepted", "events": 4, "runs": 0}));
        let pause = json!({"status": "paused"});
        let path = format!("/api/v1/workflows/{}", desk.workflow);
        desk.world.owner().patch(&path, &pause).await.expect(200);
        let (_, webhook) = desk.lead("awa.diop@example.com", 9);
        assert_eq!(desk.world.deliver(&webhook).await.expect(202).json()["runs"], 0);
        desk.world.settle().await;
        assert!(desk.executions().await.is_empty() && desk.messages().is_empty());
    }

    async fn several_leads_in_one_delivery_are_several_runs(db: TestStore) {
        let desk = Desk::open(db).await;
        let handle = &desk.world.fakes.handle;
        let url = text(&desk.hubspot, "webhook_url");
        let events: Vec<_> = handle
            .ids(ObjectType::Contacts)
            .into_iter()
            .zip(500..)
            .map(|(id, event)| HubspotEvent::new("contact.creation", id, event))
            .collect();
        let mut doubled = events.clone();
        doubled.push(events[0].clone());
        let receipt = desk.world.deliver(&handle.hubspot_webhook(url, &doubled)).await;
        let receipt = receipt.expect(202).json();
        assert_eq!(receipt, json!({"status": "accepted", "events": 10, "runs": 10}));
        desk.world.settle().await;
        let all = desk.executions().await;
        assert!(all.len() == 10 && all.iter().all(|run| run["status"] == "completed"), "{all:?}");
        assert_eq!(desk.messages().len(), 10);
        assert_eq!(desk.workflow().await["success_count"], 10);
    }

    async fn a_genuine_body_that_holds_no_event_is_refused_and_forgotten(db: TestStore) {
        let desk = Desk::open(db).await;
        let before = desk.world.everything().await;
        for (body, status, code) in [
            ("", 400, "bad_request"),
            ("{", 400, "bad_request"),
            ("17", 400, "bad_request"),
            ("[17]", 400, "bad_request"),
            (r#"[{"eventId": 1}]"#, 400, "bad_request"),
            (r#"[{"subscriptionType": "contact.creation", "objectId": 1}]"#, 400, "bad_request"),
            (r#"[{"eventId": "", "subscriptionType": "contact.creation"}]"#, 400, "bad_request"),
            (r#"[{"eventId": "a\u0000", "subscriptionType": "x"}]"#, 400, "bad_request"),
            (r#"[{"eventId": 1, "subscriptionType": "a\u0000"}]"#, 400, "bad_request"),
        ] {
            let answer = desk.world.deliver(&desk.signed(body)).await;
            assert_eq!((answer.status, answer.code().as_str()), (status, code), "{body}");
        }
        let many: Vec<_> = (0..1_001)
            .map(|id| json!({"eventId": id, "subscriptionType": "contact.creation"}))
            .collect();
        let many = desk.signed(&Value::from(many).to_string());
        desk.world.deliver(&many).await.refused(400, "bad_request");
        assert_eq!(desk.world.everything().await, before, "something was stored");

        let unsigned = Call::post(desk.path()).raw("application/json", b"{");
        desk.world.app.send(unsigned).await.refused(401, "bad_signature");
        let large = vec![b' '; 1024 * 1024 + 1];
        let large = Call::post(desk.path()).raw("application/json", &large);
        desk.world.app.send(large).await.refused(413, "too_large");
    }

    async fn a_lead_that_cannot_be_kept_fails_its_run_with_the_reason(db: TestStore) {
        let desk = Desk::open(db).await;
        let path = format!("/integrations/workflows/{}/", desk.workflow);
        let change = json!({"actions": [
            {"type": "create_contact", "target": "digisol_crm", "record": "{{ trigger.body }}"}
        ]});
        desk.world.owner().patch(&path, &change).await.expect(200);
        let id = desk.world.fakes.handle.ids(ObjectType::Contacts)[0];
        let body = json!([{
            "eventId": 1, "subscriptionType": "contact.creation", "objectId": id,
            "id": "k", "note": "a\u{0}b",
        }]);
        desk.world.deliver(&desk.signed(&body.to_string())).await.expect(202);
        desk.world.settle().await;
        let run = desk.execution().await;
        assert_eq!(run["status"], "failed", "{run:#}");
        assert!(text(&run["error"], "message").contains("U+0000"), "{run:#}");
        // Nothing of it is there to spoil what is read later.
        let records = "/api/v1/collections/digisol_crm/contacts/records?filter[id]=k";
        let answer = desk.world.owner().get(records).await;
        assert!([200, 404].contains(&answer.status), "{}", answer.text);
        assert_eq!(desk.contact("k").await, None);
    }
}
