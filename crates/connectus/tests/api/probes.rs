//! Probes generated from the table of operations: every operation, by its every path, without a
//! credential, with too weak a one, and with the objects of another tenant. An operation that these
//! probes cannot call fails them.

use std::collections::BTreeSet;

use connectus::http::{Access, Operation, router};
use connectus_core::access::Role;
use connectus_testkit::both;
use serde_json::{Map, Value, json};

use crate::support::{
    Answer, Call, Organisation, TestApp,
    objects::{self, Named},
};

/// Operations that anyone may call. A new one is put here by a person, after thought.
const PUBLIC: [&str; 16] = [
    "auth.jwks",
    "auth.login",
    "auth.refresh",
    "auth.setup",
    "hooks.receive",
    "hooks.verify_address",
    "system.docs",
    "system.error",
    "system.errors",
    "system.health",
    "system.landing",
    "system.metrics",
    "system.openapi",
    "system.ready",
    "system.set_up",
    "system.set_up_form",
];

/// Operations that change something though they are called by GET, as browsers do.
const CHANGES: [&str; 2] = ["oauth.authorize", "oauth.callback"];

/// Operations that only look though they are not called by GET: a ticket is a way to look.
const LOOKS: [&str; 1] = ["events.ticket"];

/// Operations whose body is a free object of the caller's: there is no schema to go beyond.
const FREE_FORM: [&str; 1] = ["collections.put_record"];

/// Operations that make the object their path names where there is none. A foreign one must look
/// as if there were none, and stay as it is.
const MAKES: [&str; 1] = ["collections.put_record"];

/// Members that no request may set, unless its own schema has them.
const NOT_SETTABLE: [&str; 14] = [
    "tenant_id",
    "tenant",
    "id",
    "role",
    "roles",
    "is_admin",
    "plan",
    "quota",
    "health_score",
    "created_by",
    "created_at",
    "password_hash",
    "version",
    "api_calls_limit",
];

/// What the OpenAPI document says about an operation.
struct Documented(Value);

impl Documented {
    fn of(document: &Value, operation: &Operation) -> Self {
        let method = method(operation).to_lowercase();
        let item = document["paths"][&operation.path][&method].clone();
        assert!(item.is_object(), "{} is not in the OpenAPI document", operation.id);
        Self(item)
    }

    fn takes_json(&self) -> bool {
        self.0["requestBody"]["content"]["application/json"].is_object()
    }

    /// The members of the request body.
    fn members(&self, document: &Value) -> Map<String, Value> {
        let schema = &self.0["requestBody"]["content"]["application/json"]["schema"];
        let schema = match schema["$ref"].as_str() {
            Some(path) => document.pointer(path.trim_start_matches('#')).unwrap(),
            None => schema,
        };
        schema["properties"].as_object().cloned().unwrap_or_default()
    }

    /// Names of the query parameters.
    fn query(&self) -> Vec<String> {
        let parameters = self.0["parameters"].as_array().cloned().unwrap_or_default();
        let query = parameters.iter().filter(|parameter| parameter["in"] == "query");
        query.filter_map(|parameter| Some(parameter["name"].as_str()?.to_owned())).collect()
    }
}

fn document() -> Value {
    serde_json::to_value(router::document()).unwrap()
}

fn method(operation: &Operation) -> String {
    let text = serde_json::to_value(&operation.method).unwrap();
    text.as_str().unwrap().to_uppercase()
}

/// The names of a path's parameters.
fn parameters(path: &str) -> Vec<&str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect()
}

/// A path with one value for all parameters.
fn filled(path: &str, value: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { value } else { part });
    parts.collect::<Vec<_>>().join("/")
}

fn needs(operation: &Operation) -> Option<connectus_core::access::Permission> {
    match operation.access {
        Access::Needs(permission) => Some(permission),
        Access::Public(_) => None,
    }
}

/// A call with a body that the operation accepts.
fn call(operation: &Operation, documented: &Documented, path: &str) -> Call {
    let call = Call::new(&method(operation), path);
    if documented.takes_json() {
        call.json(&objects::body(operation.id).unwrap_or(json!({})))
    } else {
        call
    }
}

#[test]
fn public_operations_are_those_we_agreed_on() {
    let public: BTreeSet<&str> = router::table()
        .iter()
        .filter(|operation| needs(operation).is_none())
        .map(|operation| operation.id)
        .collect();
    assert_eq!(public, BTreeSet::from(PUBLIC));
}

/// What only looks takes the permission to look; what changes something takes another one.
#[test]
fn looking_and_changing_need_different_permissions() {
    for operation in router::table() {
        let Some(permission) = needs(&operation) else { continue };
        let gets = method(&operation) == "GET" && !CHANGES.contains(&operation.id);
        let looks = gets || LOOKS.contains(&operation.id);
        assert_eq!(permission.name().ends_with(":read"), looks, "{}", operation.id);
    }
}

#[test]
fn the_table_is_sound() {
    let mut seen = BTreeSet::new();
    for operation in router::table() {
        assert!(seen.insert(operation.id), "{} appears twice", operation.id);
        for path in operation.paths() {
            assert!(path.starts_with('/'), "{path}");
        }
    }
}

both! {
    /// Without a credential, every protected path answers 401 - at every alias, with and without
    /// a trailing slash - and so it does for credentials that merely look like some.
    async fn unauthenticated(db: TestStore) {
        let app = TestApp::start(db).await;
        for operation in router::table().iter().filter(|operation| needs(operation).is_some()) {
            for path in operation.paths() {
                let bare = Call::new(&method(operation), &filled(&path, "x"));
                app.send(bare.clone()).await.refused(401, "unauthenticated");
                let forged = bare.clone().bearer("cnx_00000000_forged");
                app.send(forged).await.refused(401, "unauthenticated");
                let cookie = bare.header("cookie", "connectus_session=forged");
                app.send(cookie).await.refused(401, "unauthenticated");
            }
        }
    }

    /// The whole matrix of roles and operations: refused exactly where the table says so.
    async fn every_role_at_every_operation(db: TestStore) {
        let app = TestApp::start(db).await;
        let (document, ours) = (document(), app.organisation("Ours").await);
        for operation in router::table() {
            let Some(permission) = needs(&operation) else { continue };
            let documented = Documented::of(&document, &operation);
            for role in Role::ALL {
                let path = filled(&operation.path, "unknown");
                let call = call(&operation, &documented, &path).bearer(ours.key(role));
                let answer = app.send(call).await;
                let refused = answer.status == 403 && answer.json()["permission"] != Value::Null;
                let expected = !role.allows(permission);
                let what = format!("{} as {}: {}", operation.id, role.name(), answer.text);
                assert_eq!(refused, expected, "{what}");
                assert_ne!(answer.status, 401, "{what}");
                assert!(answer.status < 500, "{what}");
                if refused {
                    assert_eq!(answer.json()["permission"], permission.name());
                }
            }
        }
    }

    /// Another tenant's object answers exactly as an object that never was.
    async fn objects_of_another_tenant(db: TestStore) {
        let app = TestApp::start(db).await;
        let document = document();
        let (ours, theirs) = (app.organisation("Ours").await, app.organisation("Theirs").await);
        let mut probed = 0;
        for operation in router::table() {
            if needs(&operation).is_none() || parameters(&operation.path).is_empty() {
                continue;
            }
            probed += 1;
            probe_object(&app, &document, &operation, [&ours, &theirs]).await;
        }
        assert!(probed >= 20, "only {probed} operations have path parameters");
    }

    /// An identifier inside a body or query is held to the same rule as one in the path.
    async fn references_to_another_tenant(db: TestStore) {
        let app = TestApp::start(db).await;
        let document = document();
        let (ours, theirs) = (app.organisation("Ours").await, app.organisation("Theirs").await);
        let mut probed = 0;
        for operation in router::table() {
            if needs(&operation).is_none() {
                continue;
            }
            probed += probe_references(&app, &document, &operation, [&ours, &theirs]).await;
        }
        assert!(probed >= 5, "only {probed} references found");
    }

    /// Sent twice under one key, every change happens once: the second answer is the first one.
    async fn every_change_takes_a_key(db: TestStore) {
        let app = TestApp::start(db).await;
        let (document, ours) = (document(), app.organisation("Ours").await);
        let mut done = 0;
        for operation in router::table() {
            if needs(&operation).is_none() || method(&operation) == "GET" {
                continue;
            }
            let documented = Documented::of(&document, &operation);
            let path = own_path(&app, &ours, &operation).await;
            let call = call(&operation, &documented, &path).bearer(ours.owner()).key("once");
            let first = app.send(call.clone()).await;
            assert!(first.status < 500, "{}: {}", operation.id, first.text);
            let second = app.send(call).await;
            assert_eq!(first.status, second.status, "{}: {}", operation.id, second.text);
            if (200..300).contains(&first.status) {
                assert_eq!(second.header("idempotent-replayed"), "true", "{}", operation.id);
                assert_eq!(first.text, second.text, "{}", operation.id);
                done += 1;
            }
        }
        assert!(done >= 15, "only {done} changes were made");
    }

    /// A member that a request does not have is an error, not silently dropped or, worse, set.
    async fn mass_assignment(db: TestStore) {
        let app = TestApp::start(db).await;
        let (document, ours) = (document(), app.organisation("Ours").await);
        for operation in router::table() {
            let documented = Documented::of(&document, &operation);
            let raw = operation.id.starts_with("hooks.") || FREE_FORM.contains(&operation.id);
            if !documented.takes_json() || raw {
                continue;
            }
            let members = documented.members(&document);
            for name in NOT_SETTABLE.iter().filter(|name| !members.contains_key(**name)) {
                let mut body = objects::body(operation.id).unwrap_or(json!({}));
                body[*name] = json!("probe");
                let path = filled(&operation.path, "unknown");
                let call = Call::new(&method(&operation), &path).json(&body);
                let call = match needs(&operation) {
                    Some(_) => call.bearer(ours.owner()),
                    None => call,
                };
                let answer = app.send(call).await;
                let what = format!("{} with {name}: {}", operation.id, answer.text);
                assert_eq!(answer.status, 422, "{what}");
                assert!(answer.text.contains(name), "{what}");
            }
        }
    }
}

/// Probes each parameter of an operation's path: the object of theirs, and one that never was.
async fn probe_object(
    app: &TestApp,
    document: &Value,
    operation: &Operation,
    [ours, theirs]: [&Organisation; 2],
) {
    let documented = Documented::of(document, operation);
    let (mut foreign, mut unknown) = (operation.path.clone(), operation.path.clone());
    let mut owned = Vec::new();
    for name in parameters(&operation.path) {
        let hole = format!("{{{name}}}");
        let (theirs, nobodys) = match objects::make(app, theirs, &operation.path, name).await {
            None => panic!("{}: say in support/objects.rs what {hole} is", operation.id),
            Some(Named::Shared(value)) => (value.to_owned(), value.to_owned()),
            Some(Named::Owned(id)) => {
                owned.push(id.clone());
                (id.clone(), unlike(&id))
            }
        };
        foreign = foreign.replace(&hole, &theirs);
        unknown = unknown.replace(&hole, &nobodys);
    }
    if owned.is_empty() {
        return;
    }
    let before = app.send(Call::get(&foreign).bearer(theirs.owner())).await;
    let send = |path: &str| app.send(call(operation, &documented, path).bearer(ours.owner()));
    let (with_foreign, with_unknown) = (send(&foreign).await, send(&unknown).await);
    same_answer(operation.id, &with_foreign, &with_unknown, &owned);
    let after = app.send(Call::get(&foreign).bearer(theirs.owner())).await;
    assert_eq!(before.text, after.text, "{} changed a foreign object", operation.id);
    if !MAKES.contains(&operation.id) {
        assert_eq!(with_foreign.status, 404, "{}: {}", operation.id, with_foreign.text);
    }
}

/// Probes each member and query parameter that is an identifier; how many there were.
async fn probe_references(
    app: &TestApp,
    document: &Value,
    operation: &Operation,
    [ours, theirs]: [&Organisation; 2],
) -> usize {
    let documented = Documented::of(document, operation);
    let members = documented.members(document);
    let mut probed = 0;
    for name in members.keys().filter(|name| resource(name).is_some()) {
        let id = foreign(app, theirs, name).await;
        let send = async |value: &str| {
            let path = own_path(app, ours, operation).await;
            let mut body = objects::body(operation.id).unwrap_or(json!({}));
            body[name] = json!(value);
            let call = Call::new(&method(operation), &path).json(&body);
            app.send(call.bearer(ours.owner())).await
        };
        let (with_foreign, with_unknown) = (send(&id).await, send(&unlike(&id)).await);
        same_answer(operation.id, &with_foreign, &with_unknown, &[id]);
        let what = format!("{} takes a foreign {name}: {}", operation.id, with_foreign.text);
        assert!(matches!(with_foreign.status, 404 | 422), "{what}");
        probed += 1;
    }
    for name in documented.query().iter().filter(|name| resource(name).is_some()) {
        let id = foreign(app, theirs, name).await;
        let send = async |value: &str| {
            let path = own_path(app, ours, operation).await;
            let call = call(operation, &documented, &format!("{path}?{name}={value}"));
            app.send(call.bearer(ours.owner())).await
        };
        let (with_foreign, with_unknown) = (send(&id).await, send(&unlike(&id)).await);
        same_answer(operation.id, &with_foreign, &with_unknown, &[id]);
        probed += 1;
    }
    probed
}

/// An operation's path with objects of our own.
async fn own_path(app: &TestApp, ours: &Organisation, operation: &Operation) -> String {
    let mut path = operation.path.clone();
    for name in parameters(&operation.path) {
        let value = match objects::make(app, ours, &operation.path, name).await {
            Some(Named::Owned(id)) => id,
            Some(Named::Shared(value)) => value.to_owned(),
            None => panic!("{}: say in support/objects.rs what {{{name}}} is", operation.id),
        };
        path = path.replace(&format!("{{{name}}}"), &value);
    }
    path
}

/// The resource that a member or parameter refers to by identifier.
fn resource(name: &str) -> Option<&'static str> {
    match name.strip_suffix("_id").unwrap_or(name) {
        "integration" => Some("integrations"),
        "user" => Some("users"),
        "workflow" => Some("workflows"),
        "run" => Some("runs"),
        "subscription" => Some("webhook-subscriptions"),
        "flow" | "data_flow" => Some("data-flows"),
        _ => None,
    }
}

async fn foreign(app: &TestApp, theirs: &Organisation, name: &str) -> String {
    let path = format!("/api/v1/{}/{{id}}", resource(name).unwrap());
    match objects::make(app, theirs, &path, "id").await {
        Some(Named::Owned(id)) => id,
        _ => panic!("say in support/objects.rs how to make the object of {name}"),
    }
}

/// An identifier as good as this one, of nothing.
fn unlike(id: &str) -> String {
    let (start, last) = id.split_at(id.len() - 1);
    format!("{start}{}", if last == "0" { "1" } else { "0" })
}

#[track_caller]
fn same_answer(operation: &str, foreign: &Answer, unknown: &Answer, ids: &[String]) {
    assert_eq!(foreign.status, unknown.status, "{operation}: {} / {}", foreign.text, unknown.text);
    let (mut one, mut other) = (foreign.text.clone(), unknown.text.clone());
    for id in ids {
        one = one.replace(id, "_");
        other = other.replace(&unlike(id), "_");
    }
    assert_eq!(one, other, "{operation} tells a foreign object from an unknown one");
}
