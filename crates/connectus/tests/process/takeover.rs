//! On PostgreSQL a second worker stands by, and takes over when the first one dies.

use std::path::Path;

use connectus_store::Database;
use connectus_testkit::postgres;
use serde_json::{Value, json};

use crate::connectus::{Server, json as answer};

/// A workflow that takes long enough to be killed in the middle.
fn long_workflow() -> Value {
    let upsert = json!({
        "id": "one", "type": "action", "action": "collection.upsert",
        "input": {
            "collection": "digisol_crm/contacts",
            "key": "n{{ item }}",
            "record": { "n": "{{ item }}" },
        },
    });
    let items: Vec<u32> = (0..400).collect();
    json!({ "definition": { "version": 1, "name": "Long", "steps": [
        { "id": "each", "type": "for_each", "items": items, "steps": [upsert] },
    ] } })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stands_by_takes_over_from_one_that_died() {
    let Some(cluster) = postgres::cluster() else { return };
    let database = postgres::fresh_database(&cluster).await.unwrap();
    let Database::Postgres(url) = &database else { unreachable!() };
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    for dir in [&first, &second] {
        std::fs::create_dir(dir).unwrap();
        std::fs::write(dir.join(".env"), format!("DATABASE_URL={url}\n")).unwrap();
    }
    tokio::task::spawn_blocking(move || die_and_take_over(&first, &second)).await.unwrap();
    database.remove().await.unwrap();
}

fn die_and_take_over(first: &Path, second: &Path) {
    answer(first, &["tenant", "create", "Acme", "--json"]);
    let key = answer(first, &["token", "create", "--tenant", "Acme", "--role", "owner", "--json"]);
    let key = key["token"].as_str().unwrap();
    let worker = Server::start(first, &[]);
    let master = format!("keys.master_key_file={}", first.join("data/keys/master.key").display());
    let standby = Server::start(second, &["--set", &master]);
    let stands_by = "action=engine.start service=engine status=standby";
    assert!(standby.log().contains(stands_by), "{}", standby.log());
    assert!(!worker.log().contains(stands_by), "{}", worker.log());

    let (status, made) =
        worker.call("POST", "/api/v1/workflows", key, &long_workflow().to_string());
    assert_eq!(status, 201, "{made}");
    let made: Value = serde_json::from_str(&made).unwrap();
    let execute = format!("/api/v1/workflows/{}/execute", made["id"].as_str().unwrap());
    assert_eq!(worker.call("POST", &execute, key, "{}").0, 202);
    worker.until("/api/v1/collections/digisol_crm/contacts", key, |notes| notes["records"] != 0);
    worker.kill();
    let runs = standby.until("/api/v1/runs", key, |runs| {
        runs["items"].as_array().unwrap().iter().all(|run| run["status"] == "completed")
    });
    assert_eq!(runs["total_count"], 1);
    assert_eq!(standby.get("/api/v1/collections/digisol_crm/contacts", key)["records"], 400);
    let took_over = "action=engine.recover service=engine status=success runs=1";
    assert!(standby.log().contains(took_over), "{}", standby.log());
}
