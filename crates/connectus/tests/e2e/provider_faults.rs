//! A provider that fails: what is said, what is kept, what is tried again.

use std::time::Duration;

use connectus::http::patience::REQUEST_TIMEOUT;
use connectus_connect::{TEST_WITHIN, http::Limits};
use connectus_sandbox::{Fault, FaultKind};
use connectus_testkit::{TestStore, both};
use serde_json::{Value, json};

use crate::support::world::{World, text};

/// Where the contacts are read.
const CONTACTS: &str = "/crm/v3/objects/contacts";

/// What can go wrong, the code it gets, and whether trying again can help.
fn faults() -> Vec<(FaultKind, &'static str, bool)> {
    let status = |status| FaultKind::Status { status };
    vec![
        (status(301), "provider_refused", false),
        (status(400), "provider_refused", false),
        (status(401), "reauth_required", false),
        (status(403), "provider_refused", false),
        (status(404), "provider_refused", false),
        (status(423), "provider_unavailable", true),
        (status(500), "provider_unavailable", true),
        (status(502), "provider_unavailable", true),
        (status(503), "provider_unavailable", true),
        (FaultKind::Status429 { retry_after: Some(7) }, "rate_limited", true),
        (FaultKind::Status429 { retry_after: None }, "rate_limited", true),
        (FaultKind::Html200, "provider_unavailable", true),
        (FaultKind::Truncated, "provider_unavailable", true),
        (FaultKind::Drop, "provider_unavailable", true),
        (FaultKind::ExpiredToken, "reauth_required", false),
    ]
}

async fn world(db: TestStore) -> (World, String) {
    let world = World::with(db, |fakes| fakes.contacts = 30, |_| {}).await;
    let id = text(&world.hubspot().await, "id").to_owned();
    (world, id)
}

#[track_caller]
fn is_plain(message: &str) {
    for inside in
        ["sqlx", "panicked", "reqwest", "hyper", "127.0.0.1", "os error", ".rs", "<!doctype"]
    {
        assert!(!message.contains(inside), "{message}");
    }
    assert!(message.len() > 20, "{message}");
}

both! {
    async fn a_connection_test_tells_what_is_wrong_and_what_to_do(db: TestStore) {
        let (world, id) = world(db).await;
        let owner = world.owner();
        let test = format!("/api/v1/integrations/{id}/test_connection");
        for (kind, code, transient) in faults() {
            // Beyond what the provider's own pause asks for.
            world.app.db.sim.clock.advance_secs(600);
            world.fakes.handle.fault(Fault::on("GET", CONTACTS, kind.clone()));
            let report = owner.poke(&test).await.expect(200).json();
            assert_eq!(report["success"], false, "{kind:?}: {report}");
            let error = &report["error"];
            assert_eq!(
                (&error["code"], &error["transient"]),
                (&json!(code), &json!(transient)),
                "{kind:?}: {report}"
            );
            is_plain(text(error, "message"));
            assert!(text(error, "suggestion").len() > 20, "{kind:?}: {report}");
            assert_eq!(world.fakes.handle.pending_faults(), 0, "{kind:?}");
            let shown = owner.get(&format!("/api/v1/integrations/{id}")).await.expect(200).json();
            is_plain(text(&shown, "last_error"));
            assert_eq!(shown["status"], report["status"], "{kind:?}");

            world.app.db.sim.clock.advance_secs(600);
            let report = owner.poke(&test).await.expect(200).json();
            assert_eq!(
                (&report["success"], &report["status"]),
                (&json!(true), &json!("connected")),
                "after {kind:?}: {report}"
            );
            let shown = owner.get(&format!("/api/v1/integrations/{id}")).await.expect(200).json();
            assert_eq!(shown["last_error"], Value::Null, "after {kind:?}");
        }
        let logs = owner.get("/api/v1/health-logs").await.expect(200).json();
        assert!(logs["total_count"].as_u64() >= Some(4), "{logs}");
    }

    async fn an_address_where_nobody_answers_is_told(db: TestStore) {
        // A port that was free a moment ago: nobody listens there.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let allow = |settings: &mut connectus::config::Settings| {
            settings.egress.allow.push(free.to_string().parse().unwrap());
        };
        let world = World::with(db, |fakes| fakes.contacts = 0, allow).await;
        let new = json!({
            "provider": "hubspot", "name": "Nobody", "auth_credentials": {"access_token": "t"},
            "settings": {"base_url": format!("http://{free}")},
        });
        let owner = world.owner();
        let id = owner.post("/api/v1/integrations", &new).await.expect(201).text_of("id");
        let test = format!("/api/v1/integrations/{id}/test_connection");
        let report = owner.poke(&test).await.expect(200).json();
        assert_eq!(report["error"]["code"], "provider_unavailable", "{report}");
        is_plain(text(&report["error"], "message"));
    }

    async fn a_provider_that_never_answers_is_not_waited_for_without_end(db: TestStore) {
        // The outcome of a test is known before the request for it ends.
        assert!(TEST_WITHIN < REQUEST_TIMEOUT);
        let limits = Limits { exchange: Duration::from_millis(300), ..Limits::default() };
        let world = World::within(db, limits, |fakes| fakes.contacts = 30, |_| {}).await;
        let (integration, owner) = (world.hubspot().await, world.owner());
        let id = text(&integration, "id");
        // Longer than any test runs.
        let never = FaultKind::Delay { millis: 3_600_000 };
        world.fakes.handle.fault(Fault::on("GET", CONTACTS, never.clone()));
        let test = format!("/api/v1/integrations/{id}/test_connection");
        let report = owner.poke(&test).await.expect(200).json();
        let error = &report["error"];
        assert_eq!(
            (&error["code"], &error["transient"]),
            (&json!("timeout"), &json!(true)),
            "{report}"
        );
        is_plain(text(error, "message"));

        let flow = json!({
            "integration": id, "name": "Contacts", "direction": "inbound",
            "source_fields": ["email"], "target_fields": ["email"],
        });
        let flow = owner.post("/api/v1/data-flows", &flow).await.expect(201).text_of("id");
        world.fakes.handle.fault(Fault::on("GET", CONTACTS, never));
        let path = format!("/api/v1/data-flows/{flow}/sync");
        let run = owner.poke(&path).await.expect(202).text_of("id");
        world.settle().await;
        world.settle_after(3_600).await;
        let done = owner.get(&format!("/api/v1/runs/{run}")).await.expect(200).json();
        assert_eq!((&done["status"], &done["output"]["read"]), (&json!("completed"), &json!(30)));
    }

    async fn a_sync_goes_on_after_what_passes_and_stops_at_what_does_not(db: TestStore) {
        let (world, id) = world(db).await;
        let owner = world.owner();
        for (kind, code, transient) in faults() {
            let flow = json!({
                "integration": id, "name": "Contacts", "direction": "inbound",
                "source_fields": ["email"], "target_fields": ["email"],
                "destination": "mirror/contacts",
            });
            let flow = owner.post("/api/v1/data-flows", &flow).await.expect(201).text_of("id");
            world.app.db.sim.clock.advance_secs(600);
            world.fakes.handle.fault(Fault::on("GET", CONTACTS, kind.clone()));
            let path = format!("/api/v1/data-flows/{flow}/sync");
            let run = owner.poke(&path).await.expect(202).text_of("id");
            world.settle().await;
            let path = format!("/api/v1/runs/{run}");
            let first = owner.get(&path).await.expect(200).json();
            if transient {
                assert!(
                    ["queued", "waiting"].contains(&text(&first, "status")),
                    "{kind:?}: {first:#}"
                );
                assert_eq!(first["attempts"], 1, "{kind:?}: {first:#}");
                world.settle_after(3_600).await;
                let done = owner.get(&path).await.expect(200).json();
                assert_eq!(done["status"], "completed", "{kind:?}: {done:#}");
                assert_eq!(done["output"]["read"], 30, "{kind:?}");
            } else {
                assert_eq!(first["status"], "failed", "{kind:?}: {first:#}");
                assert_eq!(first["error"]["code"], code, "{kind:?}");
                is_plain(text(&first["error"], "message"));
                let logs = owner.get("/api/v1/health-logs?limit=200").await.expect(200).json();
                let open = logs["items"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .any(|log| log["code"] == code && log["integration_id"] == json!(id));
                assert!(open, "{kind:?}: {logs:#}");
                // What a person does about it.
                world.app.db.sim.clock.advance_secs(600);
                let test = format!("/api/v1/integrations/{id}/test_connection");
                owner.poke(&test).await.expect(200);
            }
            assert_eq!(world.fakes.handle.pending_faults(), 0, "{kind:?}");
            owner.delete(&format!("/api/v1/data-flows/{flow}")).await.expect(204);
        }
        let mirror = owner.get("/api/v1/collections/mirror/contacts").await.expect(200).json();
        assert_eq!(mirror["records"], 30);
        let summary = owner.get("/api/v1/integrations/health_summary").await.expect(200).json();
        assert!(summary["items"][0]["health_score"].as_u64() < Some(100), "{summary}");
    }
}
