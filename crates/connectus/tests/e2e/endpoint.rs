//! A workflow with an address of its own.

use connectus_connect::webhook;
use connectus_core::access::Role;
use connectus_testkit::both;
use serde_json::{Value, json};

use crate::support::{Answer, Call, PUBLIC_URL, world::World};

async fn workflow(world: &World, endpoint: Value) -> String {
    let new = json!({"definition": {
        "version": 1, "name": "Order",
        "trigger": {"type": "webhook", "config": {"endpoint": endpoint}},
        "steps": [{"id": "note", "type": "set", "vars": {"order": "{{ trigger.body.order }}"}}],
    }});
    world.owner().post("/api/v1/workflows", &new).await.expect(201).text_of("id")
}

/// Gives a workflow an address: its path and its secret.
async fn address(world: &World, id: &str, body: Value) -> (String, String) {
    let path = format!("/api/v1/workflows/{id}/endpoint");
    let made = world.owner().post(&path, &body).await.expect(201).json();
    let url = made["url"].as_str().unwrap();
    (url.strip_prefix(PUBLIC_URL).unwrap().to_owned(), made["secret"].as_str().unwrap().to_owned())
}

async fn signed(world: &World, path: &str, secret: &str, id: &str, body: &Value) -> Answer {
    let text = body.to_string();
    let now = world.app.db.sim.env.now();
    let secrets = [secret.to_owned().into()];
    let headers = webhook::sign(&secrets, id, now, text.as_bytes()).unwrap();
    let call = Call::post(path)
        .raw("application/json", text.as_bytes())
        .header("webhook-id", &headers.id)
        .header("webhook-timestamp", &headers.timestamp)
        .header("webhook-signature", &headers.signature)
        .header("x-api-key", "not for runs");
    world.app.send(call).await
}

async fn inputs(world: &World, id: &str) -> Vec<Value> {
    let path = format!("/api/v1/workflows/{id}/executions");
    let listed = world.owner().get(&path).await.expect(200).json();
    listed["items"].as_array().unwrap().iter().map(|run| run["input"].clone()).collect()
}

both! {
    async fn a_signed_call_starts_one_run(db: TestStore) {
        let world = World::start(db).await;
        let id = workflow(&world, json!({})).await;
        let (path, secret) = address(&world, &id, json!({})).await;
        assert!(secret.starts_with("whsec_"));
        let body = json!({"order": 7});
        let taken = signed(&world, &path, &secret, "call_1", &body).await.expect(202).json();
        assert_eq!(taken, json!({"status": "accepted", "events": 1, "runs": 1}));
        let again = signed(&world, &path, &secret, "call_1", &body).await.expect(200).json();
        assert_eq!(again["status"], "replayed");
        world.settle().await;
        let inputs = inputs(&world, &id).await;
        assert_eq!(inputs.len(), 1);
        assert_eq!((&inputs[0]["body"], &inputs[0]["event_id"]), (&body, &json!("call_1")));
        let headers = inputs[0]["headers"].as_object().unwrap();
        assert!(headers.contains_key("webhook-id"));
        assert!(!headers.contains_key("webhook-signature") && !headers.contains_key("x-api-key"));
    }

    async fn nothing_of_a_call_that_is_not_signed_is_stored(db: TestStore) {
        let world = World::start(db).await;
        let id = workflow(&world, json!({})).await;
        let (path, secret) = address(&world, &id, json!({})).await;
        let stranger = "whsec_c3RyYW5nZXJzdHJhbmdlcnN0cmFuZ2Vyc3RyYW5nZXI=";
        let body = json!({"order": "forged"});
        signed(&world, &path, stranger, "call_1", &body).await.refused(401, "bad_signature");
        let bare = Call::post(&path).json(&body);
        world.app.send(bare).await.refused(401, "bad_signature");
        // Signed once, sent six minutes later.
        let now = world.app.db.sim.env.now();
        let headers = webhook::sign(&[secret.clone().into()], "late", now, b"{}").unwrap();
        world.app.db.sim.clock.advance_secs(360);
        let late = Call::post(&path)
            .raw("application/json", b"{}")
            .header("webhook-id", &headers.id)
            .header("webhook-timestamp", &headers.timestamp)
            .header("webhook-signature", &headers.signature);
        world.app.send(late).await.refused(401, "bad_signature");
        assert!(inputs(&world, &id).await.is_empty());
        let everything = world.everything().await;
        let rows: Vec<&String> = everything.iter().flat_map(|table| &table.rows).collect();
        assert!(rows.iter().all(|row| !row.contains("forged") && !row.contains(&secret)));
    }

    async fn a_secret_is_changed_in_peace_and_taken_away(db: TestStore) {
        let world = World::start(db).await;
        let id = workflow(&world, json!({})).await;
        let (path, old) = address(&world, &id, json!({})).await;
        let (same, new) = address(&world, &id, json!({})).await;
        assert_eq!(path, same);
        assert_ne!(old, new);
        let body = json!({"order": 1});
        signed(&world, &path, &old, "a", &body).await.expect(202);
        signed(&world, &path, &new, "b", &body).await.expect(202);
        world.app.db.sim.clock.advance_secs(86_400);
        signed(&world, &path, &old, "c", &body).await.refused(401, "bad_signature");
        let route = format!("/api/v1/workflows/{id}/endpoint");
        let shown = world.owner().get(&route).await.expect(200);
        assert!(!shown.text.contains("whsec_"), "{}", shown.text);
        world.as_role(Role::Operator).poke(&route).await.refused(403, "forbidden");
        world.owner().delete(&route).await.expect(204);
        signed(&world, &path, &new, "d", &body).await.refused(404, "not_found");
        world.owner().get(&route).await.refused(404, "not_found");
    }

    async fn other_senders_sign_in_a_header_of_theirs(db: TestStore) {
        let world = World::start(db).await;
        let endpoint = json!({
            "header": "X-Hub-Signature-256", "prefix": "sha256=", "id_header": "X-GitHub-Delivery",
        });
        let id = workflow(&world, endpoint).await;
        let secret = json!({"secret": "the secret that we both know"});
        let (path, _) = address(&world, &id, secret).await;
        let body = br#"{"order": "from elsewhere"}"#;
        // HMAC-SHA256 of the body under that secret, by another implementation.
        let digest = "17c17dc7d26a5eb42b0796c0b2cdf4e8cbde57b9b3c3e7a21f5c33569c660e79";
        let call = |digest: &str| {
            Call::post(&path)
                .raw("application/json", body)
                .header("x-hub-signature-256", &format!("sha256={digest}"))
                .header("x-github-delivery", "72d3162e")
        };
        world.app.send(call(&"0".repeat(64))).await.refused(401, "bad_signature");
        world.app.send(call(digest)).await.expect(202);
        world.app.send(call(digest)).await.expect(200);
        assert_eq!(inputs(&world, &id).await[0]["body"]["order"], "from elsewhere");
    }

    async fn only_an_active_workflow_with_such_a_trigger_takes_calls(db: TestStore) {
        let world = World::start(db).await;
        let id = workflow(&world, json!(true)).await;
        let (path, secret) = address(&world, &id, json!({})).await;
        let workflow = format!("/api/v1/workflows/{id}");
        let pause = json!({"status": "paused"});
        world.owner().patch(&workflow, &pause).await.expect(200);
        let body = json!({"order": 1});
        signed(&world, &path, &secret, "a", &body).await.refused(409, "conflict");
        let active = json!({"status": "active"});
        world.owner().patch(&workflow, &active).await.expect(200);
        signed(&world, &path, &secret, "a", &body).await.expect(202);
        let manual = json!({"name": "By hand", "trigger_type": "manual",
            "actions": [{"type": "create_contact", "target": "digisol_crm"}]});
        let manual = world.owner().post("/api/v1/workflows", &manual).await.expect(201);
        let route = format!("/api/v1/workflows/{}/endpoint", manual.text_of("id"));
        world.owner().poke(&route).await.refused(409, "conflict");
        let short = json!({"secret": "short"});
        let route = format!("{workflow}/endpoint");
        world.owner().post(&route, &short).await.refused(422, "invalid");
    }
}
