//! Every address of an operation answers the same, with and without a trailing slash, never by
//! redirect.

use connectus::http::{Access, Operation, router};
use connectus_sandbox::ObjectType;
use connectus_testkit::{TestStore, both};
use serde_json::json;

use crate::support::{
    Answer, Call,
    world::{World, text},
};

/// Changes that take no body and do no harm.
const WITHOUT_BODY: [&str; 1] = ["auth.logout"];

/// Reads that have no fixed answer: they tell the time or never end.
const NEVER_EQUAL: [&str; 5] =
    ["events.stream", "events.ticket", "system.metrics", "oauth.authorize", "collections.export"];

/// A tenant in which each kind of object is there, and its identifiers by first path segment.
async fn filled(db: TestStore) -> (World, Vec<(&'static str, String)>) {
    let world = World::with(db, |fakes| fakes.contacts = 3, |_| {}).await;
    let (hubspot, owner) = (world.hubspot().await, world.owner());
    let flow = json!({
        "integration": hubspot["id"], "name": "Contacts", "direction": "inbound",
        "source_fields": ["email"], "target_fields": ["email"],
    });
    let flow = owner.post("/api/v1/data-flows", &flow).await.expect(201).text_of("id");
    let run =
        owner.poke(&format!("/api/v1/data-flows/{flow}/sync")).await.expect(202).text_of("id");
    world.settle().await;
    let workflow = json!({"name": "By hand", "actions": [{"type": "create_contact"}]});
    let workflow = owner.post("/api/v1/workflows", &workflow).await.expect(201).text_of("id");
    let contact = world.fakes.handle.ids(ObjectType::Contacts)[0];
    let ids = vec![
        ("providers", "hubspot".to_owned()),
        ("integrations", text(&hubspot, "id").to_owned()),
        ("data-flows", flow),
        ("workflows", workflow),
        ("runs", run),
        ("collections", format!("hubspot:{contact}")),
        ("errors", "not_found".to_owned()),
    ];
    (world, ids)
}

/// The path with the identifiers in place of its parameters.
fn with_ids(path: &str, operation: &Operation, ids: &[(&'static str, String)]) -> String {
    let first = operation.path.trim_start_matches("/api/v1").trim_start_matches("/docs");
    let first = first.trim_start_matches('/').split('/').next().unwrap_or_default();
    let id = ids.iter().find(|(name, _)| *name == first).map_or("unknown", |(_, id)| id);
    let two = path.contains("{part}");
    path.split('/')
        .map(|part| match part {
            "{collection}" if two => "digisol_crm",
            "{collection}" => "digisol_crm%2Fcontacts",
            "{part}" => "contacts",
            part if part.starts_with('{') => id,
            part => part,
        })
        .collect::<Vec<_>>()
        .join("/")
}

/// Calls the operation at all of its addresses; each answer must equal the first.
async fn compare(
    world: &World,
    operation: &Operation,
    ids: &[(&'static str, String)],
    call: impl Fn(&str) -> Call,
) -> Answer {
    let mut first: Option<Answer> = None;
    for path in operation.paths() {
        let path = with_ids(&path, operation, ids);
        let answer = match operation.access {
            Access::Needs(_) => world.owner().send(call(&path)).await,
            Access::Public(_) => world.app.send(call(&path)).await,
        };
        assert!(!(300..400).contains(&answer.status), "{path} redirects");
        if let Some(first) = &first {
            assert_eq!(answer.status, first.status, "{} at {path}: {}", operation.id, answer.text);
            assert_eq!(answer.text, first.text, "{} at {path}", operation.id);
            let kind = |answer: &Answer| answer.header("content-type").to_owned();
            assert_eq!(kind(&answer), kind(first), "{} at {path}", operation.id);
        } else {
            first = Some(answer);
        }
    }
    first.unwrap()
}

both! {
    async fn every_read_is_the_same_at_all_of_its_addresses(db: TestStore) {
        let (world, ids) = filled(db).await;
        let mut read = 0;
        for operation in router::table() {
            let get = operation.method == utoipa::openapi::path::HttpMethod::Get;
            if !get || NEVER_EQUAL.contains(&operation.id) {
                continue;
            }
            let answer = compare(&world, &operation, &ids, Call::get).await;
            assert_ne!(answer.status, 405, "{}", operation.id);
            assert!(answer.status < 500 || operation.id == "system.ready", "{}", answer.text);
            read += usize::from(answer.status == 200);
        }
        assert!(read >= 25, "only {read} reads were answered with 200");
    }

    async fn every_change_is_refused_the_same_at_all_of_its_addresses(db: TestStore) {
        let (world, ids) = filled(db).await;
        let mut refused = 0;
        for operation in router::table() {
            let method = serde_json::to_value(&operation.method).unwrap();
            let method = method.as_str().unwrap().to_uppercase();
            if method == "GET" || NEVER_EQUAL.contains(&operation.id) {
                continue;
            }
            // A body that none of them can take, so that nothing happens in between.
            let call = |path: &str| {
                let path = path.replace(&ids[1].1, "unknown").replace(&ids[2].1, "unknown");
                Call::new(&method, &path).raw("application/json", b"{")
            };
            let answer = compare(&world, &operation, &[], call).await;
            let what = format!("{}: {} {}", operation.id, answer.status, answer.text);
            assert_ne!(answer.status, 405, "{what}");
            if !WITHOUT_BODY.contains(&operation.id) {
                assert!((400..500).contains(&answer.status), "{what}");
                assert!(!answer.code().is_empty(), "{what}");
            }
            refused += 1;
        }
        assert!(refused >= 25, "only {refused} changes were tried");
    }
}
