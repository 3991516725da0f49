//! A manifest that somebody brings becomes a provider: registered, connected, tested, synced, and
//! replaced by a newer version.

mod actions;
mod fake;
mod hostile;

use connectus_connect::packs;
use connectus_core::{Code, access::Role};
use connectus_engine::providers::{self, NewProvider};
use connectus_store::provider_versions::Bringer;
use connectus_testkit::{TestStore, both};
use serde_json::{Value, json};

use self::fake::{Acme, KEY, manifest, order, renewing};
use crate::support::{
    Call,
    world::{World, text},
};

/// Where providers are.
const PROVIDERS: &str = "/api/v1/providers";
/// Where integrations are.
const INTEGRATIONS: &str = "/api/v1/integrations";

/// A tenant that may reach the service.
async fn world(db: TestStore) -> (World, Acme) {
    let acme = Acme::start().await;
    let allowed = acme.address.to_string().parse().unwrap();
    let world = World::with(db, |_| {}, |settings| settings.egress.allow.push(allowed)).await;
    (world, acme)
}

/// How many providers come with Connectus.
fn built_in() -> usize {
    packs::all().unwrap().len()
}

fn brought(name: &str, manifest: &Value) -> Value {
    json!({
        "name": name,
        "source": manifest.to_string(),
        "files": {"metadata.yaml": "data: {name: Acme Shop, license: ELv2}"},
    })
}

async fn connect(world: &World, acme: &Acme, more: &Value) -> Value {
    let mut new = json!({
        "provider": "acme",
        "name": "Our Acme",
        "settings": {"host": acme.url(), "start_date": "2026-01-01T00:00:00Z", "access": {}},
        "auth_credentials": {"access.api_key": KEY},
    });
    new.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    world.owner().post(INTEGRATIONS, &new).await.expect(201).json()
}

async fn flow(world: &World, integration: &Value, stream: &str, fields: &[&str]) -> String {
    let new = json!({
        "integration": integration["id"],
        "name": stream,
        "direction": "inbound",
        "stream": stream,
        "destination": format!("acme/{stream}"),
        "source_fields": fields,
        "target_fields": fields,
        "sync_frequency": "weekly",
    });
    world.owner().post("/api/v1/data-flows", &new).await.expect(201).text_of("id")
}

/// Syncs a flow and answers its counters.
async fn sync(world: &World, flow: &str) -> Value {
    world.app.db.sim.clock.advance_secs(120);
    let path = format!("/api/v1/data-flows/{flow}/sync");
    let run = world.owner().poke(&path).await.expect(202).text_of("id");
    world.settle().await;
    let run = world.owner().get(&format!("/api/v1/runs/{run}")).await.expect(200).json();
    assert_eq!(run["status"], "completed", "{run:#}");
    run["output"].clone()
}

fn did(counts: &Value) -> [u64; 4] {
    ["read", "created", "updated", "rejected"].map(|name| counts[name].as_u64().unwrap())
}

both! {
    async fn a_manifest_is_brought_connected_and_synced(db: TestStore) {
        let (world, acme) = world(db).await;
        let owner = world.owner();
        let made = owner.post(PROVIDERS, &brought("acme", &manifest("1"))).await.expect(201).json();
        assert_eq!((&made["version"], &made["licence"]), (&json!(1), &json!("ELv2")));
        let odd = &made["report"]["streams"][2];
        assert_eq!((&odd["name"], &odd["native"]), (&json!("odd"), &json!(false)));
        assert!(odd["needs"].to_string().contains("source_acme.Odd"), "{odd}");

        // It is listed like any other, with what its settings must be.
        let shown = owner.get(&format!("{PROVIDERS}/acme")).await.expect(200).json();
        let names = (text(&shown, "display_name"), text(&shown, "origin"));
        assert_eq!(names, ("Acme Shop", "manifest"));
        let key = "/connection_specification/properties/access/properties/api_key/airbyte_secret";
        assert_eq!(shown.pointer(key), Some(&json!(true)));
        let listed = owner.get(PROVIDERS).await.expect(200).json();
        assert_eq!(listed["total_count"], built_in() + 1);
        let can = owner.get(&format!("{PROVIDERS}/acme/capabilities")).await.expect(200).json();
        let streams: Vec<_> = can["streams"].as_array().unwrap().iter().collect();
        assert_eq!(streams.len(), 2, "what does not run is not offered: {can}");
        assert_eq!((&streams[1]["name"], &streams[1]["delta"]), (&json!("orders"), &json!(true)));

        let integration = connect(&world, &acme, &json!({})).await;
        assert_eq!(integration["status"], "connected");
        assert_eq!(integration["provider_version"], Value::Null);
        assert!(!integration.to_string().contains(KEY));
        let path = format!("{INTEGRATIONS}/{}", text(&integration, "id"));
        let report = owner.poke(&format!("{path}/test_connection")).await.expect(200).json();
        assert_eq!(report["success"], true, "{report}");
        let found = owner.get(&format!("{path}/streams")).await.expect(200).json();
        assert_eq!(found["total_count"], 2, "{found}");

        // A stream that does not run is refused by what it needs.
        let gated = json!({"integration": integration["id"], "name": "odd", "stream": "odd",
            "direction": "inbound", "source_fields": ["id"], "target_fields": ["id"]});
        let no = owner.post("/api/v1/data-flows", &gated).await.refused(422, "invalid");
        assert!(no.text.contains("source_acme.Odd"), "{}", no.text);

        let users = flow(&world, &integration, "users", &["id", "name"]).await;
        assert_eq!(did(&sync(&world, &users).await), [5, 5, 0, 0]);
        assert_eq!(did(&sync(&world, &users).await), [5, 0, 0, 0], "it is read whole every time");
        let orders = flow(&world, &integration, "orders", &["id", "total", "updated_at"]).await;
        assert_eq!(did(&sync(&world, &orders).await), [3, 3, 0, 0]);
        let record = owner.get("/api/v1/collections/acme/orders/records/acme:2").await.expect(200);
        assert_eq!(record.json()["data"]["total"], 20);

        // The second sync asks for changes only.
        acme.asked();
        acme.put(order(3, "2026-01-03T00:00:00Z"));
        acme.put(order(4, "2026-01-04T00:00:00Z"));
        let counts = sync(&world, &orders).await;
        assert_eq!(acme.asked(), ["/orders 2026-01-02T00:00:00Z"]);
        let [_, created, updated, rejected] = did(&counts);
        assert_eq!((created, updated, rejected), (1, 1, 0), "{counts}");
        sync(&world, &orders).await;
        assert_eq!(acme.asked(), ["/orders 2026-01-04T00:00:00Z"]);
    }

    async fn versions_are_followed_or_kept_and_used_ones_stay(db: TestStore) {
        let (world, acme) = world(db).await;
        let owner = world.owner();
        owner.post(PROVIDERS, &brought("acme", &manifest("1"))).await.expect(201);
        owner.post(PROVIDERS, &brought("acme", &manifest("1"))).await.refused(409, "conflict");
        let integration = connect(&world, &acme, &json!({})).await;
        let path = format!("{INTEGRATIONS}/{}", text(&integration, "id"));
        let users = flow(&world, &integration, "users", &["id", "name"]).await;
        assert_eq!(did(&sync(&world, &users).await), [5, 5, 0, 0]);
        acme.asked();

        // A new version counts at once; the same again is none.
        let versions = format!("{PROVIDERS}/acme/versions");
        let mut newer = manifest("2");
        newer["streams"].as_array_mut().unwrap().remove(0);
        newer["check"]["stream_names"] = json!(["orders"]);
        let body = json!({"source": newer.to_string()});
        let made = owner.post(&versions, &body).await.expect(201).json();
        assert_eq!((&made["version"], &made["lost_streams"]), (&json!(2), &json!(["users"])));
        assert_eq!(owner.post(&versions, &body).await.expect(200).json()["added"], false);
        let all = owner.get(&versions).await.expect(200).json();
        assert_eq!(all["total_count"], 2);
        let report = owner.poke(&format!("{path}/test_connection")).await.expect(200).json();
        assert_eq!(report["success"], true, "{report}");
        assert_eq!(acme.asked()[0], "/orders 2026-01-01T00:00:00Z", "the new version's check");

        // One integration can stay behind.
        owner.patch(&path, &json!({"provider_version": 9})).await.refused(422, "invalid");
        owner.patch(&path, &json!({"provider_version": 1})).await.expect(200);
        assert_eq!(did(&sync(&world, &users).await), [5, 0, 0, 0]);
        owner.patch(&path, &json!({"provider_version": null})).await.expect(200);

        owner.delete(&format!("{PROVIDERS}/acme")).await.refused(409, "conflict");
        owner.delete(&path).await.expect(204);
        owner.delete(&format!("{PROVIDERS}/acme")).await.expect(204);
        owner.get(&format!("{PROVIDERS}/acme")).await.refused(404, "not_found");
        owner.delete(&format!("{PROVIDERS}/hubspot")).await.refused(409, "conflict");
    }

    async fn what_one_tenant_brings_is_nobody_elses(db: TestStore) {
        let (world, acme) = world(db).await;
        let owner = world.owner();
        owner.post(PROVIDERS, &brought("acme", &manifest("1"))).await.expect(201);
        let theirs = world.app.organisation("Theirs").await;
        let call = |call: Call| world.app.send(call.bearer(theirs.owner()));
        call(Call::get("/api/v1/providers/acme")).await.refused(404, "not_found");
        call(Call::get("/api/v1/providers/acme/versions")).await.refused(404, "not_found");
        call(Call::delete("/api/v1/providers/acme")).await.refused(404, "not_found");
        let listed = call(Call::get(PROVIDERS)).await.expect(200).json();
        assert_eq!(listed["total_count"], built_in());
        let new = json!({"provider": "acme", "name": "Not ours", "settings": {}});
        call(Call::post(INTEGRATIONS).json(&new)).await.refused(422, "invalid");

        // They may bring another one of the same name, which is theirs.
        let mut other = manifest("other");
        other["streams"].as_array_mut().unwrap().remove(1);
        let bring = Call::post(PROVIDERS).json(&brought("acme", &other));
        let made = call(bring).await.expect(201).json();
        assert_eq!(made["version"], 1);
        let integration = connect(&world, &acme, &json!({})).await;
        let orders = flow(&world, &integration, "orders", &["id"]).await;
        assert_eq!(did(&sync(&world, &orders).await)[1], 3, "ours is still ours");
        call(Call::delete("/api/v1/providers/acme")).await.expect(204);
        assert_eq!(did(&sync(&world, &orders).await)[3], 0);

        // Only who administers may bring or remove one.
        for role in [Role::Editor, Role::Operator, Role::Viewer] {
            let caller = world.as_role(role);
            let new = brought("another", &manifest("1"));
            caller.post(PROVIDERS, &new).await.refused(403, "forbidden");
            let path = format!("{PROVIDERS}/acme/versions");
            caller.post(&path, &new).await.refused(403, "forbidden");
            caller.delete(&format!("{PROVIDERS}/acme")).await.refused(403, "forbidden");
            caller.get(&format!("{PROVIDERS}/acme")).await.expect(200);
        }
    }

    async fn what_is_there_for_all_is_seen_by_all_and_the_operators_to_remove(db: TestStore) {
        let (world, acme) = world(db).await;
        let (owner, store) = (world.owner(), world.app.app.store());
        let new = |version: &str| NewProvider {
            name: Some("acme".into()),
            text: manifest(version).to_string(),
            ..NewProvider::default()
        };
        let all = Bringer::Everybody;
        let made = providers::bring(store, &all, new("1"), None).await.unwrap();
        assert_eq!((made.version.version, made.added, made.version.for_all), (1, true, true));
        let theirs = world.app.organisation("Theirs").await;
        let seen = world.app.send(Call::get("/api/v1/providers/acme").bearer(theirs.owner())).await;
        assert_eq!(seen.expect(200).json()["licence"], "unknown");
        // Nobody's own may take its name, and no tenant may change or remove it.
        let own = brought("acme", &manifest("own"));
        owner.post(PROVIDERS, &own).await.refused(409, "conflict");
        let versions = format!("{PROVIDERS}/acme/versions");
        owner.post(&versions, &own).await.refused(404, "not_found");
        owner.delete(&format!("{PROVIDERS}/acme")).await.refused(409, "conflict");
        let integration = connect(&world, &acme, &json!({})).await;
        let orders = flow(&world, &integration, "orders", &["id"]).await;
        assert_eq!(did(&sync(&world, &orders).await)[1], 3);
        let refused = providers::remove(store, &all, "acme").await.unwrap_err();
        assert_eq!(refused.code, Code::Conflict);
        let next = providers::bring(store, &all, new("2"), None).await.unwrap();
        assert_eq!(next.version.version, 2);
        owner.delete(&format!("{INTEGRATIONS}/{}", text(&integration, "id"))).await.expect(204);
        providers::remove(store, &all, "acme").await.unwrap();
        owner.post(PROVIDERS, &own).await.expect(201);
        let taken = providers::bring(store, &all, new("3"), None).await.unwrap_err();
        assert_eq!(taken.code, Code::Conflict);
    }

    async fn secrets_are_sealed_and_stay_where_they_were_entered_for(db: TestStore) {
        let (world, acme) = world(db).await;
        let owner = world.owner();
        owner.post(PROVIDERS, &brought("acme", &manifest("1"))).await.expect(201);
        let start = "2026-01-01T00:00:00Z";
        let refused = async |settings: Value, secrets: Value, field: &str| {
            let new = json!({"provider": "acme", "name": "x", "settings": settings,
                "auth_credentials": secrets});
            let no = owner.post(INTEGRATIONS, &new).await.refused(422, "invalid");
            assert!(no.text.contains(field), "{field}: {}", no.text);
            assert!(!no.text.contains(KEY), "{}", no.text);
        };
        let host = acme.url();
        let (open, secret) = (
            json!({"host": host, "start_date": start, "access": {}}),
            json!({"access.api_key": KEY}),
        );
        let misplaced = json!({"host": host, "start_date": start, "access": {"api_key": KEY}});
        refused(misplaced, json!({}), "settings.access.api_key").await;
        let wrong = json!({"host": host, "start_date": "tomorrow", "access": {}});
        refused(wrong, secret.clone(), "settings.start_date").await;
        refused(open.clone(), json!({"token": KEY}), "auth_credentials.token").await;
        refused(json!({"host": host}), secret, "settings.start_date").await;

        // Without its secrets it waits for them.
        let none = json!({"auth_credentials": {}});
        let integration = connect(&world, &acme, &none).await;
        assert_eq!(integration["status"], "pending");
        let path = format!("{INTEGRATIONS}/{}", text(&integration, "id"));
        let entered = json!({"auth_credentials": {"access.api_key": KEY}});
        let shown = owner.patch(&path, &entered).await.expect(200).json();
        assert_eq!(shown["status"], "connected");
        assert_eq!(shown["credentials"]["fields"], json!(["access.api_key"]));
        for table in world.everything().await {
            assert!(!format!("{table:?}").contains(KEY), "a secret lies open");
        }
        // Other settings may change; where requests go may not without the secret.
        let later = json!({"settings": {"start_date": "2026-02-01T00:00:00Z"}});
        owner.patch(&path, &later).await.expect(200);
        let away = json!({"settings": {"host": "https://evil.example.com"}});
        let no = owner.patch(&path, &away).await.refused(422, "invalid");
        assert!(no.text.contains("auth_credentials"), "{}", no.text);
        // A wrong secret is told by the test, and is in no answer.
        let wrong = json!({"auth_credentials": {"access.api_key": "wrong-canary"}});
        owner.patch(&path, &wrong).await.expect(200);
        let report = owner.poke(&format!("{path}/test_connection")).await.expect(200);
        assert_eq!(report.json()["success"], false);
        assert!(!report.text.contains("wrong-canary"), "{}", report.text);
    }

    async fn a_token_that_is_good_once_is_renewed_and_kept(db: TestStore) {
        let (world, acme) = world(db).await;
        let owner = world.owner();
        owner.post(PROVIDERS, &brought("acme", &renewing())).await.expect(201);
        let integration = connect(&world, &acme, &json!({
            "settings": {"host": acme.url()},
            "auth_credentials": {"client_id": "id", "client_secret": "secret",
                "refresh_token": "refresh-canary-0"},
        }))
        .await;
        let path = format!("{INTEGRATIONS}/{}", text(&integration, "id"));
        let report = owner.poke(&format!("{path}/test_connection")).await.expect(200).json();
        assert_eq!(report["success"], true, "{report}");
        let all = flow(&world, &integration, "renewed", &["id", "name"]).await;
        assert_eq!(did(&sync(&world, &all).await), [1, 1, 0, 0]);
        assert_eq!(acme.asked(), ["/token"], "one token serves the test and the sync");
        // Past its end it is renewed with the token that came with it, also by another process.
        world.app.db.sim.clock.advance_secs(1_200);
        assert_eq!(did(&sync(&world, &all).await), [1, 0, 0, 0]);
        assert_eq!(acme.asked(), ["/token"]);
        let connections = &world.app.app.engine_parts.connections;
        let id = connectus_core::IntegrationId::parse(text(&integration, "id")).unwrap();
        connections.forget(&world.ours.ctx, &id);
        world.app.db.sim.clock.advance_secs(1_200);
        assert_eq!(did(&sync(&world, &all).await), [1, 0, 0, 0], "the kept token still works");
        assert_eq!(acme.shop.lock().unwrap().refresh, 3);
        for table in world.everything().await {
            let open = format!("{table:?}");
            assert!(!open.contains("refresh-canary") && !open.contains("access-canary"));
        }
    }
}
