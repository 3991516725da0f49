//! What is wrong is refused with a stable code, a page of help and no word about the inside.

use std::collections::BTreeSet;

use connectus::http::{Access, Operation, router};
use connectus_testkit::{TestStore, both};
use serde_json::{Value, json};
use utoipa::openapi::path::HttpMethod;

use crate::support::{
    Answer, Call,
    world::{World, text},
};

/// Words that tell about the inside.
const INSIDE: [&str; 15] = [
    "sqlx",
    "SELECT ",
    "INSERT ",
    "panicked",
    "unwrap",
    ".rs:",
    "/crates/",
    env!("CARGO_MANIFEST_DIR"),
    "/.cargo/",
    "/home/",
    "/tmp/",
    "backtrace",
    "RUST_",
    "tokio::",
    "PoolTimedOut",
];

/// A refusal: a problem document that tells nothing about the inside.
#[track_caller]
fn is_clean(answer: &Answer, what: &str) {
    for word in INSIDE {
        assert!(!answer.text.contains(word), "{what} tells `{word}`: {}", answer.text);
    }
    if answer.status >= 400 {
        let problem = answer.json();
        assert_eq!(answer.header("content-type"), "application/problem+json", "{what}: {answer:?}");
        assert_eq!(problem["status"], answer.status, "{what}");
        for member in ["type", "title", "code", "detail"] {
            assert!(!text(&problem, member).is_empty(), "{what}: {problem}");
        }
        let page = format!("/docs/errors/{}", text(&problem, "code"));
        assert_eq!(problem["type"], page, "{what}");
    }
    assert!(answer.status < 500, "{what}: {}", answer.text);
}

fn method(operation: &Operation) -> String {
    let text = serde_json::to_value(&operation.method).unwrap();
    text.as_str().unwrap().to_uppercase()
}

/// The canonical path with one value for all parameters.
fn filled(operation: &Operation, value: &str) -> String {
    let parts = operation.path.split('/');
    parts.map(|part| if part.starts_with('{') { value } else { part }).collect::<Vec<_>>().join("/")
}

/// Operations that take a JSON body.
fn taking_json() -> Vec<Operation> {
    let document = serde_json::to_value(router::document()).unwrap();
    let takes = |operation: &Operation| {
        let item = &document["paths"][&operation.path][method(operation).to_lowercase()];
        item["requestBody"]["content"]["application/json"].is_object()
    };
    router::table().into_iter().filter(takes).collect()
}

/// Sends a call with whatever credential the operation needs.
async fn send(world: &World, operation: &Operation, call: Call) -> Answer {
    match operation.access {
        Access::Needs(_) => world.owner().send(call).await,
        Access::Public(_) => world.app.send(call).await,
    }
}

/// An object with one member set.
fn with(mut object: Value, member: &str, value: Value) -> Value {
    object[member] = value;
    object
}

/// Bodies with one fault, and the place that must be named.
fn wrong_integrations() -> Vec<(Value, &'static str)> {
    let wrong = |member: &str, value: Value| {
        with(json!({"provider": "hubspot", "name": "x"}), member, value)
    };
    vec![
        (wrong("provider", json!(5)), "provider"),
        (wrong("provider", json!("fax")), "provider"),
        (wrong("name", json!(["x"])), "name"),
        (wrong("name", json!("")), "name"),
        (wrong("name", json!("x".repeat(101))), "name"),
        (wrong("name", json!("a\nb")), "name"),
        (wrong("settings", json!(1)), "settings"),
        (wrong("settings", json!({"colour": "red"})), "settings.colour"),
        (wrong("settings", json!({"base_url": "not a url"})), "settings.base_url"),
        (wrong("settings", json!({"base_url": "http://169.254.169.254"})), "settings.base_url"),
        (wrong("auth_credentials", json!("pw")), "auth_credentials"),
        (wrong("auth_credentials", json!({"password": "x"})), "auth_credentials.password"),
        (
            wrong("auth_credentials", json!({"access_token": {"a": 1}})),
            "auth_credentials.access_token",
        ),
    ]
}

fn wrong_flows() -> Vec<(Value, &'static str)> {
    let flow = json!({
        "integration": "int_x", "name": "x", "direction": "inbound",
        "source_fields": ["email"], "target_fields": ["email"],
    });
    let wrong = |member: &str, value: Value| with(flow.clone(), member, value);
    vec![
        (wrong("source_fields", json!("email")), "source_fields"),
        (wrong("source_fields", json!([1])), "source_fields[0]"),
        (wrong("direction", json!("up")), "direction"),
        (wrong("conflict_policy", json!("coin")), "conflict_policy"),
        (wrong("status", json!(true)), "status"),
        (wrong("transformation_rules", json!([])), "transformation_rules"),
    ]
}

fn wrong_workflows() -> Vec<(Value, &'static str)> {
    let actions = |actions: Value| json!({"name": "x", "actions": actions});
    let pigeon = json!([
        {"type": "create_contact"}, {"type": "send_notification", "channel": "pigeon"}
    ]);
    let magic = with(actions(json!([{"type": "create_contact"}])), "trigger_type", json!("magic"));
    vec![
        (magic, "/trigger_type"),
        (actions(json!([{"type": "launch"}])), "/actions/0/type"),
        (actions(json!([])), "/actions"),
        (actions(pigeon), "/actions/1/channel"),
        (json!({"definition": {"version": 1, "name": "x", "steps": "none"}}), "steps"),
    ]
}

async fn quiet(db: TestStore) -> World {
    World::with(db, |fakes| fakes.contacts = 30, |_| {}).await
}

both! {
    async fn a_body_that_cannot_be_taken_is_refused_by_every_operation(db: TestStore) {
        let world = quiet(db).await;
        let large = format!("{{\"name\": \"{}\"}}", "x".repeat(1024 * 1024));
        let json = "application/json";
        let bodies: [(&str, &str, &[u8], u16, &str); 13] = [
            ("nothing but a brace", json, b"{", 400, "bad_request"),
            ("cut off", json, b"{\"na", 400, "bad_request"),
            ("not JSON", json, b"name=x", 400, "bad_request"),
            ("the character zero", json, br#"{"a\u0000": 1}"#, 422, "invalid"),
            ("not UTF-8", json, b"{\"\xff\": 1}", 400, "bad_request"),
            ("a lone surrogate", json, br#"{"\ud800": 1}"#, 400, "bad_request"),
            ("a list", json, b"[1]", 422, "invalid"),
            ("a list that never ends", json, b"[[[[[[[[[[[", 422, "invalid"),
            ("a text", json, b"\"x\"", 422, "invalid"),
            ("a number", json, b"17", 422, "invalid"),
            ("too large", json, large.as_bytes(), 413, "too_large"),
            (
                "a form",
                "application/x-www-form-urlencoded",
                b"name=x",
                415,
                "unsupported_media_type",
            ),
            ("plain text", "text/plain", b"{}", 415, "unsupported_media_type"),
        ];
        let operations = taking_json();
        assert!(operations.len() >= 15, "only {} operations take JSON", operations.len());
        for operation in &operations {
            for (name, kind, body, status, code) in bodies {
                let what = format!("{} with {name}", operation.id);
                let call = Call::new(&method(operation), &filled(operation, "unknown"));
                let answer = send(&world, operation, call.raw(kind, body)).await;
                is_clean(&answer, &what);
                let got = (answer.status, answer.code());
                assert_eq!((got.0, got.1.as_str()), (status, code), "{what}: {}", answer.text);
            }
        }
    }

    async fn a_body_within_a_body_within_a_body_ends_somewhere(db: TestStore) {
        let world = quiet(db).await;
        let path = "/api/v1/collections/digisol_crm/contacts/records/deep";
        for depth in [1_000, 100_000] {
            let body = format!("{{\"a\": {}1{}}}", "[".repeat(depth), "]".repeat(depth));
            let call = Call::new("PUT", path).raw("application/json", body.as_bytes());
            let answer = world.owner().send(call).await;
            is_clean(&answer, path);
            answer.refused(400, "bad_request");
        }
        // A list of the values in their order is not the object that was asked for.
        let positional = json!(["someone@example.com", "a password"]);
        let answer = world.app.send(Call::post("/auth/login").json(&positional)).await;
        let detail = answer.refused(422, "invalid").text_of("detail");
        assert!(detail.contains("must be a JSON object"), "{detail}");
    }

    async fn a_member_that_is_not_known_is_named(db: TestStore) {
        let world = quiet(db).await;
        let free = ["collections.put_record"];
        for operation in taking_json().iter().filter(|one| !free.contains(&one.id)) {
            let call = Call::new(&method(operation), &filled(operation, "unknown"));
            let answer = send(&world, operation, call.json(&json!({"surprise": 1}))).await;
            is_clean(&answer, operation.id);
            assert_eq!(answer.status, 422, "{}: {}", operation.id, answer.text);
            assert!(answer.text.contains("surprise"), "{}: {}", operation.id, answer.text);
        }
    }

    async fn a_value_of_the_wrong_type_is_told_with_its_place(db: TestStore) {
        let world = quiet(db).await;
        let owner = world.owner();
        let mut tried = 0;
        for (path, bodies) in [
            ("/api/v1/integrations", wrong_integrations()),
            ("/api/v1/data-flows", wrong_flows()),
            ("/api/v1/workflows", wrong_workflows()),
        ] {
            for (body, field) in bodies {
                let what = format!("{path} with {body}");
                let answer = owner.post(path, &body).await;
                is_clean(&answer, &what);
                let answer = answer.refused(422, "invalid").json();
                let named = text(&answer["errors"][0], "field");
                assert!(named.contains(field), "{what}: {answer:#}");
                assert!(!text(&answer["errors"][0], "message").is_empty());
                tried += 1;
            }
        }
        assert!(tried >= 24, "{tried}");
    }

    async fn pages_out_of_bounds_are_refused_by_every_list(db: TestStore) {
        let world = quiet(db).await;
        let document = serde_json::to_value(router::document()).unwrap();
        let mut lists = 0;
        for operation in router::table() {
            let item = &document["paths"][&operation.path][method(&operation).to_lowercase()];
            let parameters = item["parameters"].as_array().cloned().unwrap_or_default();
            let named = |name: &str| parameters.iter().any(|one| one["name"] == name);
            if !(named("limit") && named("offset")) {
                continue;
            }
            lists += 1;
            let path = filled(&operation, "unknown");
            for query in [
                "limit=0",
                "limit=201",
                "limit=-1",
                "limit=ten",
                "limit=1e3",
                "limit=99999999999",
                "limit=",
                "offset=-1",
                "offset=x",
                "offset=1.5",
                "limit=1&limit=2",
            ] {
                let what = format!("{}?{query}", operation.id);
                let answer = world.owner().get(&format!("{path}?{query}")).await;
                is_clean(&answer, &what);
                assert_eq!(
                    (answer.status, answer.code().as_str()),
                    (400, "bad_request"),
                    "{what}: {}",
                    answer.text
                );
            }
            let far = world.owner().get(&format!("{path}?offset=9223372036854775807")).await;
            is_clean(&far, operation.id);
        }
        assert!(lists >= 10, "only {lists} lists");
    }

    async fn strange_identifiers_name_nothing(db: TestStore) {
        let world = quiet(db).await;
        let takes_json: BTreeSet<&str> = taking_json().iter().map(|one| one.id).collect();
        let long = "x".repeat(4_000);
        let strange = [
            "unknown",
            "0",
            "-1",
            "%00",
            "%2e%2e%2f",
            "..%5c",
            "%F0%9F%A6%80",
            "a%20b",
            "'%20OR%201=1--",
            "%7B%7Bconfig%7D%7D",
            "%25s",
            "null",
            "int_",
            "int_01k6t2c8x9v3f5g7h2j4m6n8p0",
            &long,
        ];
        let mut named = 0;
        for operation in router::table() {
            let made = ["collections.put_record", "system.error"].contains(&operation.id);
            if !operation.path.contains('{') || made {
                continue;
            }
            for id in strange {
                let what = format!("{} of {id:.40}", operation.id);
                let mut call = Call::new(&method(&operation), &filled(&operation, id));
                if takes_json.contains(operation.id) {
                    call = call.json(&json!({}));
                }
                let answer = send(&world, &operation, call).await;
                is_clean(&answer, &what);
                assert!(answer.status >= 400, "{what}: {}", answer.text);
                named += 1;
            }
        }
        assert!(named > 300, "{named}");
    }

    async fn a_path_says_which_methods_it_takes(db: TestStore) {
        let world = quiet(db).await;
        let table = router::table();
        let paths: BTreeSet<&str> = table.iter().map(|one| one.path.as_str()).collect();
        for path in paths {
            let taken: BTreeSet<String> =
                table.iter().filter(|one| one.path == path).map(method).collect();
            for name in ["GET", "POST", "PUT", "PATCH", "DELETE", "PROPFIND"] {
                let implied = name == "GET" && taken.contains("HEAD");
                if taken.contains(name) || implied {
                    continue;
                }
                let path = path.replace(['{', '}'], "");
                let answer = world.owner().send(Call::new(name, &path)).await;
                is_clean(&answer, &format!("{name} {path}"));
                answer.refused(405, "method_not_allowed");
            }
        }
        for path in
            ["/nothing", "/api/v1/nothing", "/api/v2/integrations", "/api/v1/integrations/x/y/z"]
        {
            let answer = world.owner().get(path).await;
            is_clean(&answer, path);
            answer.refused(404, "not_found");
        }
    }

    async fn an_idempotency_key_stands_for_one_request(db: TestStore) {
        let world = quiet(db).await;
        let owner = world.owner();
        let new = json!({"provider": "hubspot", "name": "Once"});
        let create = |body: &Value| Call::post("/api/v1/integrations").json(body).key("k-1");
        let first = owner.send(create(&new)).await.expect(201);
        let again = owner.send(create(&new)).await.expect(201);
        assert_eq!((first.text, again.header("idempotent-replayed")), (again.text.clone(), "true"));
        let other = json!({"provider": "hubspot", "name": "Another"});
        let refused = owner.send(create(&other)).await;
        is_clean(&refused, "another body");
        refused.refused(422, "idempotency_mismatch");
        let long = Call::post("/api/v1/integrations").json(&new).key(&"k".repeat(256));
        owner.send(long).await.refused(400, "bad_request");
        assert_eq!(owner.get("/api/v1/integrations").await.json()["total_count"], 1);
    }

    async fn a_change_of_an_older_version_is_refused(db: TestStore) {
        let world = quiet(db).await;
        let owner = world.owner();
        let hubspot = world.hubspot().await;
        let flow = json!({
            "integration": hubspot["id"], "name": "x", "direction": "inbound",
            "source_fields": ["email"], "target_fields": ["email"],
        });
        let flow = owner.post("/api/v1/data-flows", &flow).await.expect(201).text_of("id");
        let workflow = json!({"name": "x", "actions": [{"type": "create_contact"}]});
        let workflow = owner.post("/api/v1/workflows", &workflow).await.expect(201).text_of("id");
        let record = "/api/v1/collections/digisol_crm/contacts/records/one";
        let put = Call::new("PUT", record).json(&json!({"email": "one@example.com"}));
        owner.send(put).await.expect(201);
        let body = json!({"name": "Renamed"});
        for (method, path) in [
            ("PATCH", format!("/api/v1/integrations/{}", text(&hubspot, "id"))),
            ("PATCH", format!("/api/v1/data-flows/{flow}")),
            ("PATCH", format!("/api/v1/workflows/{workflow}")),
            ("PUT", record.to_owned()),
        ] {
            let read = owner.get(&path).await.expect(200);
            let tag = read.header("etag").to_owned();
            assert!(tag.len() > 2, "{path} has no ETag");
            for stale in ["\"0\"", "\"999\"", "W/\"1\"", "1", "\"\""] {
                let call = Call::new(method, &path).json(&body).header("if-match", stale);
                let answer = owner.send(call).await;
                is_clean(&answer, &path);
                answer.refused(412, "precondition_failed");
            }
            assert_eq!(owner.get(&path).await.text, read.text, "{path} was changed");
            world.app.db.sim.clock.advance_secs(1);
            let call = || Call::new(method, &path).json(&body).header("if-match", &tag);
            let changed = owner.send(call()).await.expect(200);
            assert_ne!(changed.header("etag"), tag, "{path}");
            owner.send(call()).await.refused(412, "precondition_failed");
        }
    }

    async fn every_code_has_a_page_that_helps(db: TestStore) {
        let world = quiet(db).await;
        let document = router::table();
        assert!(
            document.iter().any(|one| one.id == "system.error" && one.method == HttpMethod::Get)
        );
        for code in connectus_core::Code::ALL {
            let path = format!("/docs/errors/{}", code.name());
            let page = world.app.send(Call::get(&path)).await.expect(200);
            assert!(page.header("content-type").starts_with("text/html"), "{path}");
            assert!(page.text.contains(code.name()) && page.text.len() > 500, "{path}");
        }
        world.app.send(Call::get("/docs/errors/nonsense")).await.expect(404);
    }
}
