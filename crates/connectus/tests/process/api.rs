//! `connectus api`: everything HTTP offers, from the command line.

use std::{
    io::Write,
    process::{Output, Stdio},
};

use serde_json::{Value, json};

use crate::connectus::{Server, command, json, refusal, run, text};

fn body(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_company_is_connected_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    assert!(refusal(dir, &["api", "providers"]).contains("connectus tenant create"));
    json(dir, &["tenant", "create", "Acme", "--json"]);
    let providers = json(dir, &["api", "providers"]);
    assert_eq!(providers["items"].as_array().unwrap().len(), 10);
    let new = json!({"provider": "slack", "name": "Team", "settings": {},
        "auth_credentials": {"access_token": "xoxb-1"}});
    std::fs::write(dir.join("new.json"), new.to_string()).unwrap();
    let made = json(dir, &["api", "integrations", "--data", "@new.json"]);
    let path = format!("/api/v1/integrations/{}", made["id"].as_str().unwrap());
    assert_eq!(json(dir, &["api", &path])["name"], "Team");
    assert!(!made.to_string().contains("xoxb-1"));

    // What the API refuses comes as it is, and the exit status says so.
    let change = ["api", "-X", "PATCH", &path, "-d", r#"{"name": "New"}"#, "-H", "If-Match: \"9\""];
    let refused = run(dir, &change);
    assert!(!refused.status.success());
    assert_eq!(body(&refused)["status"], 412);
    assert!(text(&refused.stderr).contains("412"));
    let viewer = run(dir, &[&change[..], &["--role", "viewer"]].concat());
    assert_eq!(body(&viewer)["code"], "forbidden");

    // The key of a call ends with it.
    let keys = json(dir, &["api", "api-keys"]);
    let open = |key: &&Value| key["revoked_at"].is_null();
    assert_eq!(keys["items"].as_array().unwrap().iter().filter(open).count(), 1, "{keys}");
    json(dir, &["tenant", "create", "Other", "--json"]);
    assert!(refusal(dir, &["api", "providers"]).contains("--tenant"));
    assert_eq!(run(dir, &["api", &path, "--tenant", "Other"]).status.code(), Some(1));
}

#[test]
fn flows_and_workflows_are_run_beside_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let mut server = Server::start(dir, &["--demo"]);
    let printed = server.read_until("API key");
    let token = printed.split_whitespace().last().unwrap();
    let flow = json(dir, &["api", "data-flows"])["items"][0]["id"].as_str().unwrap().to_owned();
    // The sandbox's fakes live in the server: only there can a preview reach them.
    let preview = json(dir, &["api", "-X", "POST", &format!("data-flows/{flow}/preview")]);
    assert!(preview["rows"].is_array(), "{preview}");
    let workflow = json(dir, &["api", "workflows"])["items"][0]["id"].as_str().unwrap().to_owned();
    let execute = format!("workflows/{workflow}/execute");
    let mut child = command(dir, &["api", &execute, "--data", "-", "--include"]);
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let input = json!({"input": {"email": "ann@example.org", "firstname": "Ann"}});
    child.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let answer = text(&child.wait_with_output().unwrap().stdout);
    assert!(answer.starts_with("HTTP 202"), "{answer}");
    let (_, started) = answer.split_once("\n\n").unwrap();
    let started: Value = serde_json::from_str(started).unwrap();
    let run = format!("/api/v1/runs/{}", started["id"].as_str().unwrap());
    let ended = server.until(&run, token, |run| run["status"] == "completed");
    server.stop();
    let later = json(dir, &["api", &run]);
    assert_eq!((&later["id"], &later["status"]), (&ended["id"], &ended["status"]));
    let export = "collections/digisol_crm/contacts/export?format=csv";
    let csv = command(dir, &["api", export]).output().unwrap();
    assert!(csv.status.success() && text(&csv.stdout).contains("ann@example.org"));
}
