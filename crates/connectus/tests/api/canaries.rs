//! Secrets planted in every secret field never come out again: not in an answer, an event, an audit
//! row, a log line, a row of the database or a byte of its files.

use connectus_core::Page;
use connectus_sandbox::{Fault, FaultKind};
use connectus_store::{Database, audit::AuditFilter};
use connectus_testkit::{TestStore, postgres};
use serde_json::{Value, json};

use crate::support::{Call, crm::Crm, log};

/// Begins every planted secret. The fakes' own tokens are looked for as well.
const MARK: &str = "canary-7f3a";

fn planted(provider: &str, fields: &[&str], number: &mut u32) -> Value {
    let secret = |field: &&str| {
        *number += 1;
        ((*field).to_owned(), json!(format!("{MARK}-{provider}-{number}-secret")))
    };
    Value::Object(fields.iter().map(secret).collect())
}

/// Credentials for every provider and method, each secret a canary.
fn credentials(number: &mut u32) -> Vec<(&'static str, Value)> {
    let mut all = Vec::new();
    for _ in 0..4 {
        for (provider, fields) in [
            ("hubspot", ["access_token", "client_secret"].as_slice()),
            ("hubspot", &["client_id", "client_secret", "access_token", "refresh_token"]),
            ("slack", &["access_token", "signing_secret"]),
            ("slack", &["client_id", "client_secret", "access_token", "refresh_token"]),
        ] {
            all.push((provider, planted(provider, fields, number)));
        }
    }
    *number += 1;
    let url = format!("https://hooks.slack.com/services/T0/B0/{MARK}-{number}-secret");
    all.push(("slack", json!({"webhook_url": url})));
    all
}

/// Every answer that could show something of an integration, good and bad.
async fn answers(crm: &Crm, id: &str) -> Vec<String> {
    let path = format!("/api/v1/integrations/{id}");
    let wrong = json!({"auth_credentials": {"nope": format!("{MARK}-wrong")}});
    let calls = [
        Call::get(&path),
        Call::get("/api/v1/integrations"),
        Call::post(&format!("{path}/test_connection")),
        Call::patch(&path).json(&json!({"name": "Renamed"})),
        Call::patch(&path).json(&wrong),
        Call::patch(&path).json(&json!({"auth_credentials": format!("{MARK}-text")})),
        Call::patch(&path).json(&json!({"auth_credentials": [format!("{MARK}-list")]})),
        Call::patch(&path).json(&json!({"auth_credentials": {"a": [format!("{MARK}-deep")]}})),
        Call::patch(&path)
            .json(&json!({"settings": {"base_url": format!("https://u:{MARK}@x.test")}})),
        Call::get("/api/v1/integrations/health_summary"),
        Call::get("/api/v1/health-logs"),
        Call::get("/api/v1/usage"),
        Call::get("/api/v1/audit"),
    ];
    let mut texts = Vec::new();
    for call in calls {
        let answer = crm.send(call).await;
        assert!(answer.status < 500, "{answer:?}");
        texts.push(format!("{:?} {}", answer.headers, answer.text));
    }
    texts
}

async fn stored(crm: &Crm) -> Vec<String> {
    let ctx = &crm.of.ctx;
    let mut conn = crm.app.db.store.read().await.unwrap();
    let events = conn.events_after(ctx, 0, 10_000).await.unwrap();
    let page = Page { limit: 200, offset: 0 };
    let audit = conn.audit_page(ctx, &AuditFilter::default(), page).await.unwrap();
    assert!(events.len() > 50 && audit.total_count > 50, "the suite did something");
    vec![serde_json::to_string(&events).unwrap(), serde_json::to_string(&audit.items).unwrap()]
}

/// Every row of every table; on SQLite the bytes of the files as well, where erased rows linger.
async fn contents(db: &TestStore) -> Vec<Vec<u8>> {
    let tables = db.store.read().await.unwrap().everything().await.unwrap();
    let rows = tables.into_iter().flat_map(|table| table.rows);
    let mut found: Vec<Vec<u8>> = rows.map(String::into_bytes).collect();
    assert!(found.len() > 100, "all tables were read: {} rows", found.len());
    if let Database::Sqlite(path) = &db.database {
        let (mut folders, mut files) = (vec![path.parent().unwrap().to_path_buf()], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.push(std::fs::read(path).unwrap());
                }
            }
        }
        assert!(files.len() >= 2, "database and write-ahead log");
        found.extend(files);
    }
    found
}

fn assert_clean(what: &str, bytes: &[u8], secrets: &[String]) {
    let text = String::from_utf8_lossy(bytes);
    for secret in secrets {
        // PostgreSQL shows bytes as hexadecimal digits.
        for form in [secret.clone(), hex::encode(secret)] {
            assert!(!text.contains(&form), "{what} holds {form}");
        }
    }
}

// One thread, so that everything is logged where the log is captured.
#[tokio::test]
async fn fifty_canaries_stay_inside() {
    let folder = tempfile::tempdir().unwrap();
    keep(Database::Sqlite(folder.path().join("connectus.db"))).await;
}

#[tokio::test]
async fn fifty_canaries_stay_inside_on_postgres() {
    let Some(cluster) = postgres::cluster() else { return };
    let database = postgres::fresh_database(&cluster).await.unwrap();
    keep(database.clone()).await;
    database.remove().await.unwrap();
}

async fn keep(database: Database) {
    let (lines, _logging) = log::capture();
    let crm = Crm::start(TestStore::open(database).await.unwrap()).await;
    let mut number = 0;
    let mut texts = Vec::new();
    for (provider, credentials) in credentials(&mut number) {
        let mut body = crm.hubspot(&credentials);
        body["provider"] = json!(provider);
        let call = Call::post("/api/v1/integrations").json(&body);
        let created = crm.send(call).await.expect(201);
        texts.push(created.text.clone());
        texts.extend(answers(&crm, &created.text_of("id")).await);
    }
    assert!(number >= 49, "{number} canaries");
    // Real tokens, made by the fake: connected by OAuth, refreshed, revoked.
    let id = crm.unauthorised().await;
    let link = format!("/api/v1/oauth/hubspot/authorize?integration_id={id}");
    let url = crm.send(Call::get(&link)).await.text_of("authorize_url");
    let back = crm.visit(&url).await;
    let back = back.strip_prefix("http://connectus.test").unwrap();
    texts.push(crm.send(Call::get(back)).await.expect(200).text);
    crm.app.db.sim.clock.advance_secs(1801);
    texts.extend(answers(&crm, &id).await);
    crm.handle().fault(Fault::on("POST", "/oauth", FaultKind::Status { status: 400 }));
    crm.app.db.sim.clock.advance_secs(1801);
    texts.extend(answers(&crm, &id).await);
    texts.extend(stored(&crm).await);
    crm.send(Call::delete(&format!("/api/v1/integrations/{id}"))).await.expect(204);
    crm.app.app.engine_parts.connections.close().await;

    let keys = crm.handle().keys();
    let secrets = [MARK, &keys.hubspot_client_secret, "hs-access-", "hs-refresh-", "hs-code-"];
    let secrets = secrets.map(str::to_owned);
    for text in &texts {
        assert_clean("an answer, event or audit row", text.as_bytes(), &secrets);
    }
    for bytes in contents(&crm.app.db).await {
        assert_clean("the database", &bytes, &secrets);
    }
    let logged = lines.text();
    assert!(logged.len() > 1000, "the log was captured");
    assert_clean("the log", logged.as_bytes(), &secrets);
    crm.app.db.store.close().await;
}
