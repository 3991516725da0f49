//! Figures made of events, and who follows them.

use connectus::telemetry::metrics;
use connectus_core::{TenantCtx, access::Role, event::EventType};
use connectus_testkit::both;
use serde_json::{Value, json};

use crate::support::{Call, TestApp};

async fn emit(app: &TestApp, ctx: &TenantCtx, kind: EventType, data: Value) {
    let ctx = ctx.clone();
    let write = app
        .db
        .store
        .write(move |tx| Box::pin(async move { tx.emit(&ctx, kind, "run_1", data).await }));
    write.await.unwrap();
}

both! {
    async fn runs_and_syncs_are_counted_by_day(db: TestStore) {
        let app = TestApp::start(db).await;
        let ours = app.organisation("Ours").await;
        let theirs = app.organisation("Theirs").await;
        let run = |took: u64| json!({"subject_id": "wf_1", "took_ms": took});
        emit(&app, &ours.ctx, EventType::RunStarted, json!({"subject_id": "wf_1"})).await;
        emit(&app, &ours.ctx, EventType::RunCompleted, run(100)).await;
        emit(&app, &theirs.ctx, EventType::RunCompleted, run(1)).await;
        app.db.sim.clock.advance_secs(24 * 3600);
        emit(&app, &ours.ctx, EventType::RunFailed, run(300)).await;
        let sync = json!({"flow": "flow_1", "added": {"created": 3, "rejected": 1}});
        emit(&app, &ours.ctx, EventType::SyncProgressed, sync).await;
        let get = |path: &str| Call::get(path).bearer(ours.key(Role::Viewer));
        let path = "/api/v1/analytics/runs?from=2026-01-05&to=2026-01-06";

        let before = app.send(get(path)).await.expect(200);
        assert!(before.json()["behind"].as_u64().unwrap() >= 4);
        app.app.engine.handle_events().await.unwrap();
        let found = app.send(get(path)).await.expect(200);
        let found = found.json();
        assert_eq!(found["behind"], 0);
        assert_eq!(found["items"].as_array().unwrap().len(), 2);
        let first = &found["items"][0];
        assert_eq!((&first["day"], &first["workflow_id"]), (&json!("2026-01-05"), &json!("wf_1")));
        assert_eq!((&first["started"], &first["completed"]), (&json!(1), &json!(1)));
        let totals = &found["totals"];
        assert_eq!((&totals["completed"], &totals["failed"]), (&json!(1), &json!(1)));
        let took = json!({"mean": 200, "p50": 128, "p95": 300, "longest": 300});
        assert_eq!(totals["took_ms"], took);
        let other = app.send(get(&format!("{path}&workflow_id=wf_2"))).await.expect(200);
        assert_eq!(other.json()["items"], json!([]));

        let syncs = app.send(get("/api/v1/analytics/syncs")).await.expect(200);
        let syncs = syncs.json();
        let records = &syncs["totals"]["records"];
        assert_eq!((&records["created"], &records["rejected"]), (&json!(3), &json!(1)));

        for (query, code) in [
            ("from=yesterday", "invalid"),
            ("from=2026-01-06&to=2026-01-05", "invalid"),
            ("from=2020-01-01&to=2026-01-05", "invalid"),
        ] {
            let path = format!("/api/v1/analytics/runs?{query}");
            app.send(get(&path)).await.refused(422, code);
        }
    }

    async fn events_about_people_are_counted_for_those_who_may_see_people(db: TestStore) {
        let app = TestApp::start(db).await;
        let ours = app.organisation("Ours").await;
        emit(&app, &ours.ctx, EventType::RunStarted, json!({"subject_id": "wf_1"})).await;
        app.app.engine.handle_events().await.unwrap();
        let types = async |role: Role| {
            let call = Call::get("/api/v1/analytics/events").bearer(ours.key(role));
            let found = app.send(call).await.expect(200);
            let items = found.json()["items"].as_array().unwrap().clone();
            items.iter().map(|item| item["type"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let seen = types(Role::Admin).await;
        assert!(seen.contains(&"api_key.created".to_owned()), "{seen:?}");
        assert_eq!(types(Role::Viewer).await, ["run.started"]);
        let call = Call::get("/api/v1/analytics/events?type=x").bearer(ours.key(Role::Viewer));
        app.send(call).await.refused(422, "invalid");
    }

    async fn handlers_tell_how_far_they_have_come(db: TestStore) {
        metrics::init().unwrap();
        let app = TestApp::start(db).await;
        let ours = app.organisation("Ours").await;
        let get = || Call::get("/api/v1/events/handlers").bearer(ours.key(Role::Viewer));
        let before = app.send(get()).await.expect(200);
        let before = before.json();
        let named = |answer: &Value, name: &str| {
            let items = answer["items"].as_array().unwrap().clone();
            items.into_iter().find(|item| item["name"] == name).unwrap()
        };
        let runs = named(&before, "analytics.runs");
        assert_eq!((&runs["state"], &runs["seq"]), (&json!("behind"), &json!(0)));
        assert_eq!(runs["behind"], before["newest"]);
        assert!(runs["waiting_since"].is_string());
        let hooks = named(&before, "webhooks");
        assert_eq!((&hooks["state"], &hooks["followers"]), (&json!("following"), &json!(0)));
        app.app.engine.handle_events().await.unwrap();
        let after = app.send(get()).await.expect(200);
        let items = after.json()["items"].as_array().unwrap().clone();
        assert!(items.iter().all(|item| item["state"] == "following"), "{items:?}");
        let figures = app.send(Call::get("/metrics")).await.expect(200);
        assert!(figures.text.contains("connectus_event_handler_lag{handler=\"analytics.runs\"} "));
    }
}
