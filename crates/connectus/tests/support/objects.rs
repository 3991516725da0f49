//! What the generated probes need to know of each resource: how to make an object of it, and a body
//! that its operations accept. A new resource adds a line to each list that fits it.

use connectus_core::{
    HealthLogId, Id as _,
    event::EventType,
    health::{HealthLog, Severity},
};
use connectus_store::deliveries::NewDelivery;
use serde_json::{Value, json};

use super::{Call, Organisation, TestApp, organisation::PASSWORD};

/// The key of every record that the probes make.
const RECORD: &str = "row1";

/// The length of a text that is too large for a row, and what it is called as an input of a run, on
/// the first day of simulated time.
const LARGE: usize = 70_000;
const BLOB: &str = "2026-01-05.358f3e1cab105d42e604e7ab375ead4aa39b3351c7e7b5465bb4e1f0bab40c9d";

/// The smallest manifest.
pub const MANIFEST: &str = "\
type: DeclarativeSource
version: 6.0.0
check: {type: CheckStream, stream_names: [things]}
streams:
  - type: DeclarativeStream
    name: things
    retriever:
      type: SimpleRetriever
      requester: {type: HttpRequester, url_base: https://things.example.com, path: /things}
      record_selector: {type: RecordSelector, extractor: {type: DpathExtractor, field_path: []}}
";

/// What a path parameter names.
pub enum Named {
    /// An object of one tenant: its identifier.
    Owned(String),
    /// Something all tenants share.
    Shared(&'static str),
}

/// An object of the organisation that the path's parameter names; `None` for a resource that is
/// not listed here.
pub async fn make(app: &TestApp, of: &Organisation, path: &str, name: &str) -> Option<Named> {
    let resource = path.split('/').find(|part| !matches!(*part, "" | "api" | "v1"))?;
    let id = match (resource, name) {
        ("oauth", "provider") => return Some(Named::Shared("hubspot")),
        ("providers", "id") => provider(app, of).await,
        ("queues", "name") => return Some(Named::Shared("export")),
        ("users", "id") => user(app, of).await,
        ("api-keys", "id") => created(app, of, "/api/v1/api-keys").await,
        ("integrations", "id") => created(app, of, "/api/v1/integrations").await,
        ("data-flows", "id") => data_flow(app, of).await,
        ("data-flows", "plan") => flow_plan(app, of).await,
        ("collections", "collection") => collection(app, of).await,
        ("collections", "key") => RECORD.to_owned(),
        ("workflows", "test") => workflow_test(app, of).await,
        ("workflows", "number") => return Some(Named::Shared("1")),
        ("workflow-templates", "id") => return Some(Named::Shared("new-lead-alert")),
        ("workflows", "id") => created(app, of, "/api/v1/workflows").await,
        ("runs", "blob") => return Some(Named::Shared(BLOB)),
        ("runs", "id" | "other") => run(app, of, path.contains("{blob}")).await,
        ("health-logs", "id") => health_log(app, of).await,
        ("webhook-subscriptions", "id") => created(app, of, "/api/v1/webhook-subscriptions").await,
        ("notification-rules", "id") => created(app, of, "/api/v1/notification-rules").await,
        ("deliveries", "id") => delivery(app, of).await,
        _ => return None,
    };
    Some(Named::Owned(id))
}

/// A body that the operation accepts; `None` when it needs none that is special.
pub fn body(operation: &str) -> Option<Value> {
    Some(match operation {
        "users.create" => json!({
            "email": "new@example.org", "password": PASSWORD, "role": "viewer",
        }),
        "api_keys.create" => json!({"name": "probe", "role": "viewer"}),
        "providers.create" => json!({"name": "probe", "source": MANIFEST}),
        "providers.add_version" => json!({"source": MANIFEST}),
        "integrations.create" => json!({"provider": "hubspot", "name": "probe"}),
        "data_flows.create" => json!({
            "name": "probe",
            "direction": "inbound",
            "source_fields": ["email"],
            "target_fields": ["email"],
        }),
        "workflows.create" => json!({
            "name": "probe",
            "trigger_type": "manual",
            "actions": [{"type": "create_contact", "target": "digisol_crm"}],
        }),
        "workflows.test_definition" => json!({"definition": {
            "version": 1, "name": "probe", "steps": [{"id": "end", "type": "stop"}],
        }}),
        "workflows.complete_definition" => json!({"definition": {
            "version": 1, "name": "probe", "steps": [{"id": "end", "type": "stop"}],
        }}),
        "workflow_tests.create" => json!({"name": "probe", "test": {"input": {}}}),
        "runs.cancel_many" => json!({"filter": {"status": "queued"}}),
        "runs.retry_many" => json!({"filter": {"status": "failed"}}),
        "runs.fork" => json!({"position": 0}),
        "runs.rerun" => json!({"input": {}}),
        "runs.signal" => json!({"name": "probe"}),
        "runs.approve" => json!({"step": "probe", "approved": true}),
        "notification_rules.create" => json!({"name": "probe", "channel": {"type": "webhook"}}),
        "webhook_subscriptions.create" => json!({"url": "https://example.com/hooks"}),
        "webhook_subscriptions.replay" => json!({"since": "2026-01-05T09:00:00Z"}),
        "health_logs.resolve" => json!({"resolved": true}),
        _ => return None,
    })
}

/// Creates an object by the API, as its owner does.
async fn created(app: &TestApp, of: &Organisation, path: &str) -> String {
    let operation = match path {
        "/api/v1/api-keys" => "api_keys.create",
        "/api/v1/integrations" => "integrations.create",
        "/api/v1/webhook-subscriptions" => "webhook_subscriptions.create",
        "/api/v1/notification-rules" => "notification_rules.create",
        _ => "workflows.create",
    };
    let body = body(operation).unwrap();
    let answer = app.send(Call::post(path).bearer(of.owner()).json(&body)).await;
    answer.expect(201).text_of("id")
}

/// A provider that the organisation brought.
async fn provider(app: &TestApp, of: &Organisation) -> String {
    let new = json!({"name": "things", "source": MANIFEST});
    let bring = Call::post("/api/v1/providers").bearer(of.owner()).json(&new);
    let answer = app.send(bring).await;
    // It may be there from before.
    assert!([201, 409].contains(&answer.status), "{}", answer.text);
    "things".to_owned()
}

async fn data_flow(app: &TestApp, of: &Organisation) -> String {
    let mut flow = body("data_flows.create").unwrap();
    flow["integration"] = created(app, of, "/api/v1/integrations").await.into();
    let answer = app.send(Call::post("/api/v1/data-flows").bearer(of.owner()).json(&flow)).await;
    answer.expect(201).text_of("id")
}

/// A plan that is to be made.
async fn flow_plan(app: &TestApp, of: &Organisation) -> String {
    let path = format!("/api/v1/data-flows/{}/plans", data_flow(app, of).await);
    let answer = app.send(Call::post(&path).bearer(of.owner()).json(&json!({}))).await;
    answer.expect(202).text_of("id")
}

/// A collection with one record, [`RECORD`].
async fn collection(app: &TestApp, of: &Organisation) -> String {
    let name = format!("probe_{}", hex::encode(app.db.sim.env.random::<6>()));
    let path = format!("/api/v1/collections/{name}/records/{RECORD}");
    let call = Call::new("PUT", &path).bearer(of.owner()).json(&json!({"secret": "theirs"}));
    app.send(call).await.expect(201);
    name
}

async fn user(app: &TestApp, of: &Organisation) -> String {
    let mark = hex::encode(app.db.sim.env.random::<6>());
    let email = format!("{mark}@example.org");
    app.person(of, &email, connectus_core::access::Role::Viewer).await.id.to_string()
}

/// A run, with an input that is [`BLOB`] if need be.
async fn run(app: &TestApp, of: &Organisation, is_large: bool) -> String {
    let workflow = created(app, of, "/api/v1/workflows").await;
    let path = format!("/api/v1/workflows/{workflow}/execute");
    let text = "x".repeat(if is_large { LARGE } else { 0 });
    let body = json!({"input": {"text": text}});
    let answer = app.send(Call::post(&path).bearer(of.owner()).json(&body)).await;
    answer.expect(202).text_of("id")
}

async fn workflow_test(app: &TestApp, of: &Organisation) -> String {
    let workflow = created(app, of, "/api/v1/workflows").await;
    let path = format!("/api/v1/workflows/{workflow}/tests");
    let body = body("workflow_tests.create").unwrap();
    app.send(Call::post(&path).bearer(of.owner()).json(&body)).await.expect(201).text_of("id")
}

async fn health_log(app: &TestApp, of: &Organisation) -> String {
    let (env, tenant) = (&app.db.sim.env, of.id.clone());
    let log = HealthLog {
        id: HealthLogId::from_parts(env.now(), env.random()),
        tenant,
        integration: None,
        severity: Severity::High,
        operation: hex::encode(env.random::<6>()),
        code: "provider_unavailable".to_owned(),
        message: "The provider does not answer.".to_owned(),
        suggestion: String::new(),
        run: None,
        occurrences: 1,
        created_at: env.now(),
        last_at: env.now(),
        resolved_at: None,
        resolved_by: None,
    };
    let id = log.id.to_string();
    let opened =
        app.db.store.write(move |tx| Box::pin(async move { Ok(tx.open_health_log(&log).await?) }));
    opened.await.unwrap();
    id
}

/// A delivery that was made and not sent.
async fn delivery(app: &TestApp, of: &Organisation) -> String {
    let subscription = created(app, of, "/api/v1/webhook-subscriptions").await;
    let store = &app.db.store;
    let behind = store.read().await.unwrap().subscriptions_behind(10, 1_000).await.unwrap();
    let mut behind = behind.into_iter();
    let behind = behind.find(|one| one.subscription.as_str() == subscription).unwrap();
    let new =
        NewDelivery { id: store.env().id(), seq: behind.seq + 1, kind: EventType::UserCreated };
    let (ctx, id) = (of.ctx.clone(), new.id.to_string());
    let made = store.write(move |tx| {
        Box::pin(async move { Ok(tx.make_deliveries(&ctx, &behind, new.seq, &[new]).await?) })
    });
    assert!(made.await.unwrap());
    id
}
