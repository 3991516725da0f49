//! The same request twice: one effect, one answer.

use connectus_core::access::Role;
use connectus_testkit::both;
use serde_json::{Value, json};

use crate::support::{Answer, Call, Organisation, TestApp};

async fn make(app: &TestApp, of: &Organisation, key: &str, body: &Value) -> Answer {
    let call = Call::post("/api/v1/api-keys").bearer(of.owner()).key(key);
    app.send(call.json(body)).await
}

async fn keys(app: &TestApp, of: &Organisation) -> u64 {
    let list = app.send(Call::get("/api/v1/api-keys").bearer(of.owner())).await.expect(200);
    list.json()["total_count"].as_u64().unwrap()
}

fn wanted(name: &str) -> Value {
    json!({"name": name, "role": "viewer"})
}

both! {
    async fn the_first_answer_is_given_again(db: TestStore) {
        let app = TestApp::start(db).await;
        let ours = app.organisation("Ours").await;
        let before = keys(&app, &ours).await;
        let first = make(&app, &ours, "k1", &wanted("a")).await.expect(201);
        assert_eq!(first.header("idempotent-replayed"), "");
        let again = make(&app, &ours, "k1", &wanted("a")).await.expect(201);
        assert_eq!(again.header("idempotent-replayed"), "true");
        assert_eq!(again.text, first.text);
        assert_eq!(again.header("location"), first.header("location"));
        assert_eq!(again.header("content-type"), first.header("content-type"));
        assert_eq!(keys(&app, &ours).await, before + 1);
        make(&app, &ours, "k1", &wanted("b")).await.refused(422, "idempotency_mismatch");
        make(&app, &ours, "k2", &wanted("a")).await.expect(201);
        assert_eq!(keys(&app, &ours).await, before + 2);
    }

    async fn keys_belong_to_their_sender_and_operation(db: TestStore) {
        let app = TestApp::start(db).await;
        let (ours, theirs) = (app.organisation("Ours").await, app.organisation("Theirs").await);
        let first = make(&app, &ours, "k", &wanted("a")).await.expect(201);
        let other_tenant = make(&app, &theirs, "k", &wanted("a")).await.expect(201);
        assert_ne!(first.text, other_tenant.text);
        let as_admin = Call::post("/api/v1/api-keys").bearer(ours.key(Role::Admin)).key("k");
        let other_sender = app.send(as_admin.json(&wanted("a"))).await.expect(201);
        assert_ne!(first.text, other_sender.text);
        // Another operation with the same key is another request.
        let path = first.header("location");
        app.send(Call::delete(path).bearer(ours.owner()).key("k")).await.expect(204);
        let again = app.send(Call::delete(path).bearer(ours.owner()).key("k")).await.expect(204);
        assert_eq!(again.header("idempotent-replayed"), "true");
    }

    async fn a_key_stands_for_one_object_and_one_version_of_it(db: TestStore) {
        let app = TestApp::start(db).await;
        let ours = app.organisation("Ours").await;
        let body = |name| json!({"provider": "hubspot", "name": name});
        let mut paths = Vec::new();
        for name in ["a", "b"] {
            let call = Call::post("/api/v1/integrations").bearer(ours.owner()).json(&body(name));
            paths.push(app.send(call).await.expect(201).header("location").to_owned());
        }
        let rename = |path: &str, version: &str| {
            let call = Call::patch(path).bearer(ours.owner()).key("k").header("if-match", version);
            app.send(call.json(&json!({"name": "c"})))
        };
        rename(&paths[0], "\"1\"").await.expect(200);
        rename(&paths[0], "\"1\"").await.expect(200);
        rename(&paths[0], "\"2\"").await.refused(422, "idempotency_mismatch");
        rename(&paths[1], "\"1\"").await.refused(422, "idempotency_mismatch");
    }

    async fn what_was_refused_frees_its_key(db: TestStore) {
        let app = TestApp::start(db).await;
        let ours = app.organisation("Ours").await;
        make(&app, &ours, "k", &wanted("")).await.refused(422, "invalid");
        make(&app, &ours, "k", &json!({"name": 1})).await.refused(422, "invalid");
        let done = make(&app, &ours, "k", &wanted("a")).await.expect(201);
        assert_eq!(done.header("idempotent-replayed"), "");
    }

    async fn a_key_is_forgotten_after_a_day(db: TestStore) {
        let app = TestApp::start(db).await;
        let ours = app.organisation("Ours").await;
        let first = make(&app, &ours, "k", &wanted("a")).await.expect(201);
        app.db.sim.clock.advance_secs(24 * 3600);
        let kept = make(&app, &ours, "k", &wanted("a")).await.expect(201);
        assert_eq!(kept.text, first.text);
        app.db.sim.clock.advance_secs(1);
        let fresh = make(&app, &ours, "k", &wanted("a")).await.expect(201);
        assert_ne!(fresh.text, first.text);
    }

    async fn keys_are_well_formed_or_refused(db: TestStore) {
        let app = TestApp::start(db).await;
        let ours = app.organisation("Ours").await;
        make(&app, &ours, &"k".repeat(255), &wanted("a")).await.expect(201);
        make(&app, &ours, &"k".repeat(256), &wanted("a")).await.refused(400, "bad_request");
        make(&app, &ours, "", &wanted("a")).await.refused(400, "bad_request");
        let twice = Call::post("/api/v1/api-keys").bearer(ours.owner()).key("a").key("b");
        app.send(twice.json(&wanted("a"))).await.refused(400, "bad_request");
        let read = Call::get("/api/v1/api-keys").bearer(ours.owner()).key(&"k".repeat(300));
        app.send(read).await.expect(200);
    }

    /// Ten keys, twenty senders each, all at once: ten effects.
    async fn concurrent_requests_have_one_effect(db: TestStore) {
        let app = TestApp::start(db).await;
        let ours = app.organisation("Ours").await;
        let before = keys(&app, &ours).await;
        let sends = (0..200).map(|index| {
            let (app, ours) = (&app, &ours);
            async move { make(app, ours, &format!("k{}", index % 10), &wanted("a")).await }
        });
        for answer in futures::future::join_all(sends).await {
            assert!(matches!(answer.status, 201 | 409), "{}", answer.text);
            if answer.status == 409 {
                assert_eq!(answer.code(), "idempotency_in_flight");
                assert_eq!(answer.header("retry-after"), "1");
            }
        }
        assert_eq!(keys(&app, &ours).await, before + 10);
        for index in 0..10 {
            let settled = make(&app, &ours, &format!("k{index}"), &wanted("a")).await.expect(201);
            assert_eq!(settled.header("idempotent-replayed"), "true");
        }
    }

    async fn refused_callers_claim_nothing(db: TestStore) {
        let app = TestApp::start(db).await;
        let ours = app.organisation("Ours").await;
        let viewer = Call::post("/api/v1/api-keys").bearer(ours.key(Role::Viewer)).key("k");
        app.send(viewer.json(&wanted("a"))).await.refused(403, "forbidden");
        let nobody = Call::post("/api/v1/api-keys").key("k").json(&wanted("a"));
        app.send(nobody).await.refused(401, "unauthenticated");
        make(&app, &ours, "k", &wanted("a")).await.expect(201);
    }
}
