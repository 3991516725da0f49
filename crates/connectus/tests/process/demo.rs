//! The sandbox tenant: what a newcomer sees within seconds of the first start.

use std::path::Path;

use connectus_store::Database;
use connectus_testkit::postgres;
use serde_json::Value;

use crate::connectus::{Server, json, run, text};

const CONTACTS: &str = "/api/v1/collections/digisol_crm/contacts/records?limit=1";

/// The key that the server prints.
fn key(server: &mut Server) -> String {
    let line = server.read_until("API key");
    assert!(server.printed.contains("SANDBOX"), "{}", server.printed);
    line.split_whitespace().last().unwrap().to_owned()
}

fn workflow_runs(server: &Server, key: &str) -> Value {
    server.until("/api/v1/runs?kind=workflow", key, |runs| {
        runs["items"].as_array().unwrap().iter().all(|run| run["status"] == "completed")
            && runs["total_count"] != 0
    })
}

#[test]
fn contacts_arrive_and_a_lead_fires_a_workflow_once() {
    let folder = tempfile::tempdir().unwrap();
    newcomer(folder.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_on_postgres() {
    let Some(cluster) = postgres::cluster() else { return };
    let database = postgres::fresh_database(&cluster).await.unwrap();
    let Database::Postgres(url) = &database else { unreachable!() };
    let folder = tempfile::tempdir().unwrap();
    // Every command of the walk finds it there.
    std::fs::write(folder.path().join(".env"), format!("DATABASE_URL={url}\n")).unwrap();
    let walk = tokio::task::spawn_blocking(move || {
        newcomer(folder.path());
        assert!(!folder.path().join("data/connectus.db").exists());
    });
    walk.await.unwrap();
    database.remove().await.unwrap();
}

/// From the first start to the second, and the command line beside it.
fn newcomer(dir: &Path) {
    let mut server = Server::start(dir, &["--demo"]);
    let first_key = key(&mut server);
    server.until(CONTACTS, &first_key, |page| page["total_count"].as_u64() >= Some(500));
    let runs = workflow_runs(&server, &first_key);
    assert_eq!(runs["total_count"], 1, "{runs}");
    let id = runs["items"][0]["id"].as_str().unwrap();
    let run = server.get(&format!("/api/v1/runs/{id}"), &first_key);
    let steps: Vec<_> = run["steps"].as_array().unwrap().iter().map(|s| &s["action"]).collect();
    assert!(steps.iter().any(|action| *action == "slack.post_message"), "{steps:?}");
    server.stop();
    // A second start finds everything there: the same key, one workflow run, no second contact.
    let mut server = Server::start(dir, &["--demo"]);
    assert_eq!(key(&mut server), first_key);
    let contacts = |server: &Server| {
        let sync = "/api/v1/runs?kind=sync&status=completed";
        server.until(sync, &first_key, |runs| runs["total_count"].as_u64() >= Some(2));
        server.get(CONTACTS, &first_key)["total_count"].clone()
    };
    assert_eq!(contacts(&server), 501);
    assert_eq!(workflow_runs(&server, &first_key)["total_count"], 1);
    // The command line sees the same, and the running server does what it asks.
    let listed = json(dir, &["runs", "--tenant", "Sandbox", "--json"]);
    let flow = listed.as_array().unwrap().iter().find(|run| run["kind"] == "sync").unwrap();
    let flow = flow["subject_id"].as_str().unwrap();
    let synced = run_ok(dir, &["sync", flow]);
    assert!(synced.contains("completed") && synced.contains("created 0"), "{synced}");
    let shown = run_ok(dir, &["runs", id]);
    assert!(shown.contains("slack.post_message") && shown.contains("completed"), "{shown}");
    send_by_plan(dir, &server, &first_key);
}

/// Records that are sent to the provider: seen before, then exactly so, or not at all.
fn send_by_plan(dir: &Path, server: &Server, key: &str) {
    let put = |key_of: &str, name: &str| {
        let path = format!("/api/v1/collections/digisol_crm/leads/records/{key_of}");
        let body = format!(r#"{{"mail":"{key_of}@example.com","first":"{name}"}}"#);
        assert!(server.call("PUT", &path, key, &body).0 < 300);
    };
    put("lead-1", "Ada");
    put("lead-2", "Grace");
    let all = server.get("/api/v1/integrations", key);
    let is_hubspot = |one: &&Value| one.to_string().contains("hubspot");
    let hubspot = all["items"].as_array().unwrap().iter().find(is_hubspot).unwrap();
    let flow = serde_json::json!({
        "integration": hubspot["id"], "name": "Leads out", "direction": "outbound",
        "stream": "contacts", "destination": "digisol_crm/leads",
        "source_fields": ["mail", "first"], "target_fields": ["email", "firstname"],
    });
    let (status, made) = server.call("POST", "/api/v1/data-flows", key, &flow.to_string());
    assert_eq!(status, 201, "{made}");
    let flow: Value = serde_json::from_str(&made).unwrap();
    let flow = flow["id"].as_str().unwrap();
    let plan = || {
        let shown = run_ok(dir, &["sync", flow, "--plan"]);
        let id = shown.split_whitespace().find(|word| word.starts_with("plan_")).unwrap();
        (id.to_owned(), shown.clone())
    };
    let (id, shown) = plan();
    assert!(shown.contains("create lead-1") && shown.contains("firstname: - -> Ada"), "{shown}");
    let applied = run_ok(dir, &["sync", flow, "--apply", &id]);
    assert!(applied.contains("completed") && applied.contains("sent_created 2"), "{applied}");
    put("lead-2", "Grace Hopper");
    let (id, shown) = plan();
    assert!(shown.contains("firstname: Grace -> Grace Hopper"), "{shown}");
    put("lead-2", "Rear Admiral");
    let refused = run(dir, &["sync", flow, "--apply", &id]);
    assert!(!refused.status.success() && text(&refused.stdout).contains("stale"));
}

#[track_caller]
fn run_ok(dir: &Path, words: &[&str]) -> String {
    let output = run(dir, words);
    assert!(output.status.success(), "{words:?}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}
