//! Providers, integrations, health log and usage over HTTP.

use connectus_core::access::Role;
use connectus_sandbox::{Fault, FaultKind};
use connectus_testkit::both;
use serde_json::{Value, json};

use crate::support::{Call, crm::Crm};

fn path(id: &str) -> String {
    format!("/api/v1/integrations/{id}")
}

both! {
    async fn providers_with_categories_and_capabilities(db: TestStore) {
        let crm = Crm::start(db).await;
        let all = crm.send(Call::get("/integrations/providers/")).await.expect(200).json();
        assert_eq!(all["total_count"], 10);
        let names: Vec<_> = all["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["display_name"].as_str().unwrap())
            .collect();
        assert!(names.contains(&"HubSpot") && names.contains(&"Zapier"), "{names:?}");
        let crms = crm.send(Call::get("/api/v1/providers?category=crm")).await.expect(200).json();
        assert_eq!(crms["total_count"], 2);
        let page = crm.send(Call::get("/api/v1/providers?limit=2&offset=9")).await.json();
        assert_eq!(page["items"].as_array().unwrap().len(), 1);
        assert_eq!(page["total_count"], 10);
        crm.send(Call::get("/api/v1/providers?category=x")).await.refused(422, "invalid");
        let hubspot = crm.send(Call::get("/integrations/providers/hubspot/")).await.json();
        for member in [
            "name",
            "display_name",
            "category",
            "description",
            "auth_type",
            "oauth_config",
            "api_endpoints",
            "rate_limits",
            "webhook_support",
            "webhook_events",
        ] {
            assert!(!hubspot[member].is_null(), "{member}: {hubspot}");
        }
        let able = crm.send(Call::get("/integrations/providers/hubspot/capabilities/")).await;
        assert_eq!(able.expect(200).json()["delta_sync"], true);
        let categories = crm.send(Call::get("/integrations/providers/categories/")).await.json();
        let crm_row = categories["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["name"] == "crm")
            .unwrap()
            .clone();
        assert_eq!(crm_row, json!({"name": "crm", "display_name": "CRM", "providers": 2}));
        for nowhere in ["/api/v1/providers/nobody", "/api/v1/providers/nobody/capabilities"] {
            crm.send(Call::get(nowhere)).await.refused(404, "not_found");
        }
    }

    async fn an_integration_lives_from_create_to_delete(db: TestStore) {
        let crm = Crm::start(db).await;
        let token = crm.handle().keys().hubspot_token.clone();
        let body = crm.hubspot(&json!({"access_token": token, "client_secret": "s-1"}));
        let call = Call::post("/integrations/integrations/").json(&body);
        let created = crm.send(call).await.expect(201);
        let id = created.text_of("id");
        assert_eq!(
            (created.header("location"), created.header("etag")),
            (path(&id).as_str(), "\"1\"")
        );
        let view = created.json();
        assert_eq!(view["status"], "connected");
        assert_eq!(
            (&view["health_score"], &view["api_calls_today"], &view["api_calls_limit"]),
            (&json!(100), &json!(0), &json!(0))
        );
        assert_eq!(view["credentials"]["fields"], json!(["access_token", "client_secret"]));
        let hook = view["webhook_url"].as_str().unwrap();
        let prefix = format!("http://connectus.test/hooks/{}/hook_", crm.of.id);
        assert!(hook.starts_with(&prefix), "{hook}");

        let tested = crm.send(Call::post(&format!("{}/test_connection", path(&id)))).await;
        let report = tested.expect(200).json();
        assert_eq!((&report["success"], &report["error"]), (&json!(true), &Value::Null));
        assert!(report["latency_ms"].is_u64() && report["account"].is_object(), "{report}");

        let named = Call::patch(&path(&id)).json(&json!({"name": "CRM"}));
        let changed = crm.send(named).await.expect(200);
        assert_eq!(changed.json()["name"], "CRM");
        let stale = Call::delete(&path(&id)).header("if-match", "\"1\"");
        crm.send(stale).await.refused(412, "precondition_failed");
        let usage = crm.send(Call::get("/integrations/usage/")).await.expect(200).json();
        assert_eq!(
            (&usage["totals"]["calls"], &usage["items"][0]["calls"]),
            (&json!(1), &json!(1))
        );
        let fresh = Call::delete(&path(&id)).header("if-match", changed.header("etag"));
        crm.send(fresh).await.expect(204);
        crm.send(Call::get(&path(&id))).await.refused(404, "not_found");
    }

    async fn a_credential_is_let_go_without_the_integration(db: TestStore) {
        let crm = Crm::start(db).await;
        let id = crm.connected().await;
        let disconnect = format!("{}/disconnect", path(&id));
        let stale = Call::post(&disconnect).header("if-match", "\"7\"");
        crm.send(stale).await.refused(412, "precondition_failed");
        let fresh = Call::post(&disconnect).header("if-match", "\"1\"");
        let after = crm.send(fresh).await.expect(200);
        assert_eq!(after.header("etag"), "\"2\"");
        let view = after.json();
        assert_eq!(view["status"], "disconnected");
        assert_eq!(view["credentials"]["fields"], json!([]));
        assert!(view["webhook_url"].is_string(), "{view}");
        let events = crm.send(Call::get("/api/v1/audit?action=integration.disconnected")).await;
        let row = events.expect(200).json()["items"][0].clone();
        assert_eq!((&row["target"], &row["outcome"]), (&json!(id), &json!("success")), "{row}");

        let alias = format!("/integrations/integrations/{id}/disconnect/");
        let again = crm.send(Call::post(&alias)).await.expect(200);
        assert_eq!(again.header("etag"), "\"2\"", "there was nothing left to do");
        let test = Call::post(&format!("{}/test_connection", path(&id)));
        let report = crm.send(test).await.expect(200).json();
        assert_eq!(report["status"], "disconnected");
        assert_eq!(report["error"]["code"], "reauth_required");

        let token = crm.handle().keys().hubspot_token.clone();
        let body = json!({"auth_credentials": {"access_token": token}});
        let entered = crm.send(Call::patch(&path(&id)).json(&body)).await.expect(200);
        assert_eq!(entered.json()["status"], "connected");
    }

    async fn every_path_answers_the_same(db: TestStore) {
        let crm = Crm::start(db).await;
        let id = crm.connected().await;
        for (canonical, alias) in [
            ("/api/v1/providers", "/integrations/providers"),
            ("/api/v1/providers/slack", "/integrations/providers/slack"),
            ("/api/v1/integrations", "/integrations/integrations"),
            ("/api/v1/integrations/health_summary", "/integrations/integrations/health_summary"),
            (&path(&id), &format!("/integrations/integrations/{id}")),
            ("/api/v1/health-logs", "/integrations/health-logs"),
            ("/api/v1/usage", "/integrations/usage"),
        ] {
            let expected = crm.send(Call::get(canonical)).await.expect(200).json();
            for path in [format!("{canonical}/"), alias.to_owned(), format!("{alias}/")] {
                assert_eq!(crm.send(Call::get(&path)).await.expect(200).json(), expected, "{path}");
            }
        }
    }

    async fn lists_filter_by_provider_status_and_creator(db: TestStore) {
        let crm = Crm::start(db).await;
        let connected = crm.connected().await;
        let pending = crm.unauthorised().await;
        let ids = async |query: &str| -> Vec<String> {
            let answer = crm.send(Call::get(&format!("/api/v1/integrations{query}"))).await;
            let items = answer.expect(200).json()["items"].as_array().unwrap().clone();
            items.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(ids("").await.len(), 2);
        assert_eq!(ids("?status=connected").await, [connected]);
        assert_eq!(ids("?status=pending&provider=hubspot").await, [pending]);
        assert!(ids("?provider=slack").await.is_empty());
        let bad = crm.send(Call::get("/api/v1/integrations?status=odd")).await;
        assert!(bad.refused(422, "invalid").text.contains("connected"), "names the right ones");
        let mine = crm.send(Call::get("/api/v1/integrations?mine=true")).await;
        mine.refused(400, "bad_request");
    }

    async fn bad_input_is_refused_by_field_and_leaves_nothing(db: TestStore) {
        let crm = Crm::start(db).await;
        let good = || crm.hubspot(&json!({"access_token": "t"}));
        let with = |member: &str, value: Value| {
            let mut body = good();
            body[member] = value;
            body
        };
        for (body, status, at) in [
            (with("provider", json!("nobody")), 422, "provider"),
            (with("provider", json!(7)), 422, "provider"),
            (with("name", json!("")), 422, "name"),
            (with("name", json!("x".repeat(101))), 422, "name"),
            (with("name", Value::Null), 422, "name"),
            (with("extra", json!(1)), 422, "extra"),
            (with("tenant_id", json!("ten_x")), 422, "tenant_id"),
            (with("health_score", json!(1)), 422, "health_score"),
            (with("auth_credentials", json!("t")), 422, "auth_credentials"),
            (with("auth_credentials", json!({"nope": "x"})), 422, "auth_credentials.nope"),
            (with("auth_credentials", json!({"access_token": 1})), 422, "auth_credentials"),
            (
                with("auth_credentials", json!({"access_token": "a\nb"})),
                422,
                "auth_credentials.access_token",
            ),
            (with("settings", json!([])), 422, "settings"),
            (with("settings", json!({"nope": 1})), 422, "settings.nope"),
            (
                with("settings", json!({"base_url": "http://169.254.169.254/"})),
                422,
                "settings.base_url",
            ),
            (
                with("settings", json!({"base_url": "http://127.0.0.1:1/"})),
                422,
                "settings.base_url",
            ),
            (with("settings", json!({"base_url": "file:///etc/passwd"})), 422, "settings.base_url"),
            (with("sync_config", json!("often")), 422, "sync_config"),
            (with("sync_config", json!({"note": "x".repeat(20_000)})), 422, "sync_config"),
            (json!({}), 422, "provider"),
            (json!([]), 422, "body"),
        ] {
            let call = Call::post("/api/v1/integrations").json(&body);
            let answer = crm.send(call).await.refused(status, "invalid");
            assert!(answer.text.contains(at), "{at}: {}", answer.text);
        }
        for (kind, text, status, code) in [
            ("application/json", "{", 400, "bad_request"),
            ("application/json", "", 400, "bad_request"),
            ("text/plain", "{}", 415, "unsupported_media_type"),
        ] {
            let call = Call::post("/api/v1/integrations").raw(kind, text.as_bytes());
            crm.send(call).await.refused(status, code);
        }
        let large = format!("{{\"name\": \"{}\"}}", "x".repeat(1_100_000));
        let call = Call::post("/api/v1/integrations").raw("application/json", large.as_bytes());
        crm.send(call).await.refused(413, "too_large");
        let list = crm.send(Call::get("/api/v1/integrations")).await.json();
        assert_eq!(list["total_count"], 0);
        assert_eq!(crm.handle().call_count(), 0);
    }

    async fn bad_changes_leave_the_object_as_it_was(db: TestStore) {
        let crm = Crm::start(db).await;
        let id = crm.connected().await;
        let before = crm.send(Call::get(&path(&id))).await.json();
        for body in [
            json!({"name": ""}),
            json!({"provider": "slack"}),
            json!({"version": 9}),
            json!({"status": "connected"}),
            json!({"status": "deleted"}),
            json!({"settings": {"base_url": "https://evil.example"}}),
            json!({"settings": {"base_url": null}}),
            json!({"settings": {"nope": 1}}),
            json!({"auth_credentials": {"nope": "x"}}),
            json!({"auth_credentials": {"access_token": ""}}),
        ] {
            let answer = crm.send(Call::patch(&path(&id)).json(&body)).await;
            assert_eq!(answer.code(), "invalid", "{body}: {}", answer.text);
        }
        assert_eq!(crm.send(Call::get(&path(&id))).await.json(), before);
    }

    async fn a_failing_provider_is_reported_scored_and_resolved(db: TestStore) {
        let crm = Crm::start(db).await;
        let id = crm.create(&crm.hubspot(&json!({"access_token": "wrong"}))).await;
        let test = || Call::post(&format!("{}/test_connection", path(&id)));
        let report = crm.send(test()).await.expect(200).json();
        assert_eq!((&report["success"], &report["status"]), (&json!(false), &json!("error")));
        assert_eq!(report["error"]["code"], "reauth_required");
        assert!(report["error"]["suggestion"].as_str().unwrap().contains("connect"), "{report}");
        crm.send(test()).await.expect(200);
        let logs = crm.send(Call::get("/api/v1/health-logs?resolved=false")).await.json();
        assert_eq!(
            (&logs["total_count"], &logs["items"][0]["occurrences"]),
            (&json!(1), &json!(2))
        );
        let summary = crm.send(Call::get("/integrations/integrations/health_summary/")).await;
        let summary = summary.expect(200).json();
        assert_eq!((&summary["failing"], &summary["open_problems"]), (&json!(1), &json!(1)));
        assert_eq!(summary["items"][0]["health_score"], 40);
        assert_eq!(summary["items"][0]["caps"][0]["limit"], 40);

        let log = logs["items"][0]["id"].as_str().unwrap();
        let resolve = |body: Value| Call::patch(&format!("/api/v1/health-logs/{log}")).json(&body);
        crm.send(resolve(json!({"resolved": false}))).await.refused(422, "invalid");
        let viewer = resolve(json!({"resolved": true})).bearer(crm.of.key(Role::Viewer));
        crm.app.send(viewer).await.refused(403, "forbidden");
        let resolved = crm.send(resolve(json!({"resolved": true}))).await.expect(200).json();
        assert_eq!(resolved["resolved"], true);
        assert!(resolved["resolved_by"].as_str().unwrap().starts_with("api_key:"));
        let one = crm.send(Call::get(&format!("/integrations/health-logs/{log}/"))).await;
        assert_eq!(one.expect(200).json(), resolved);
        crm.send(Call::get("/api/v1/health-logs/hlog_x")).await.refused(404, "not_found");
        let summary = crm.send(Call::get("/api/v1/integrations/health_summary")).await.json();
        assert_eq!((&summary["failing"], &summary["average_score"]), (&json!(0), &json!(100)));
    }

    async fn a_provider_answering_nonsense_is_no_crash(db: TestStore) {
        let crm = Crm::start(db).await;
        let id = crm.connected().await;
        for (kind, code) in [
            (FaultKind::Html200, "provider_unavailable"),
            (FaultKind::Truncated, "provider_unavailable"),
            (FaultKind::Drop, "provider_unavailable"),
            (FaultKind::Status { status: 500 }, "provider_unavailable"),
            (FaultKind::Status429 { retry_after: Some(1) }, "rate_limited"),
        ] {
            crm.handle().clear_faults();
            crm.handle().fault(Fault::on("", "/", kind.clone()).times(1));
            let test = Call::post(&format!("{}/test_connection", path(&id)));
            let report = crm.send(test).await.expect(200).json();
            assert_eq!(report["error"]["code"], code, "{kind:?}: {report}");
            assert_eq!(report["status"], "connected", "{kind:?}: the integration is not at fault");
            // Past whatever pause the governor holds after a 429.
            crm.app.db.sim.clock.advance_secs(60);
        }
    }

    async fn usage_is_asked_for_by_day(db: TestStore) {
        let crm = Crm::start(db).await;
        let id = crm.connected().await;
        crm.send(Call::post(&format!("{}/test_connection", path(&id)))).await.expect(200);
        let of = |query: &str| Call::get(&format!("/api/v1/usage?integration_id={id}{query}"));
        let day = crm.app.db.sim.env.now().day();
        let usage = crm.send(of(&format!("&from={day}&to={day}"))).await.expect(200).json();
        assert_eq!((&usage["total_count"], &usage["items"][0]["day"]), (&json!(1), &json!(day)));
        let before = crm.send(of("&from=2020-01-01&to=2020-12-31")).await.json();
        assert_eq!((&before["total_count"], &before["totals"]["calls"]), (&json!(0), &json!(0)));
        for query in ["&from=yesterday", "&to=2026-13-01", "&from=2026-01-01T00:00:00Z"] {
            crm.send(of(query)).await.refused(422, "invalid");
        }
    }
}
