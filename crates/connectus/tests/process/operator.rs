//! The operator's commands, beside a running server and without one.

use std::{io::Write, path::Path, process::Stdio};

use serde_json::Value;

use crate::connectus::{Server, command, json, refusal, run, text};

fn user_create(dir: &Path, email: &str, password: &str) -> std::process::Output {
    let words =
        ["user", "create", "--tenant", "Acme", "--email", email, "--role", "admin", "--json"];
    let mut command = command(dir, &[&words[..], &["--password-stdin"]].concat());
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn tenants_people_and_keys_are_made_with_and_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let tenant = json(dir, &["tenant", "create", "Acme", "--json"]);
    assert!(tenant["id"].as_str().unwrap().starts_with("ten_"));
    let server = Server::start(dir, &[]);
    let made = user_create(dir, "ann@example.org", "correct horse battery");
    let user: Value = serde_json::from_slice(&made.stdout).unwrap();
    let id = user["id"].as_str().unwrap();
    let token = json(
        dir,
        &["token", "create", "--tenant", "Acme", "--role", "editor", "--user", id, "--json"],
    );
    let token = token["token"].as_str().unwrap();
    // The running server knows what another process wrote.
    assert_eq!(server.call("GET", "/api/v1/integrations", token, "").0, 200);
    assert_eq!(server.call("GET", "/api/v1/users", token, "").0, 403);
    let login = r#"{"email": "ann@example.org", "password": "correct horse battery"}"#;
    assert_eq!(server.call("POST", "/auth/login", "", login).0, 200);
    let checked = json(dir, &["audit", "verify", "--json"]);
    assert_eq!(checked[0]["intact"], true);
    // The tenant, the person, the key, the sign-in.
    assert_eq!(checked[0]["records"], 4);
    server.stop();
    assert_eq!(json(dir, &["tenant", "list", "--json"]).as_array().unwrap().len(), 1);
}

#[test]
fn the_operator_says_what_a_tenant_weighs() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    json(dir, &["tenant", "create", "Acme", "--json"]);
    let update = ["tenant", "update", "Acme", "--weight"];
    let said = text(&run(dir, &[&update[..], &["3"]].concat()).stdout);
    assert_eq!(said, "Tenant Acme is on the plan trial, weight 3.\n");
    assert!(refusal(dir, &[&update[..], &["101"]].concat()).contains("1 to 100"));
    assert_eq!(json(dir, &["tenant", "list", "--json"])[0]["weight"], 3);
    let changed = json(dir, &["tenant", "update", "Acme", "--plan", "pro", "--json"]);
    assert_eq!((&changed["plan"], &changed["weight"]), (&"pro".into(), &3.into()));
}

#[test]
fn a_password_never_comes_back_and_never_from_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    json(dir, &["tenant", "create", "Acme", "--json"]);
    let short = user_create(dir, "ann@example.org", "s3cret");
    assert!(!short.status.success());
    assert!(!text(&short.stderr).contains("s3cret"), "{}", text(&short.stderr));
    let words =
        ["user", "create", "--tenant", "Acme", "--email", "a@example.org", "--role", "viewer"];
    assert!(refusal(dir, &words).contains("--password-stdin"));
    let unknown = ["token", "create", "--tenant", "Nobody", "--role", "viewer"];
    assert!(refusal(dir, &unknown).contains("No such tenant"));
    let role = ["token", "create", "--tenant", "Acme", "--role", "king"];
    assert!(refusal(dir, &role).contains("owner, admin, editor"));
}

#[test]
fn the_doctor_sees_what_there_is_and_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let find = |found: &Value, what: &str| -> Value {
        let all = found.as_array().unwrap();
        all.iter().find(|finding| finding["what"] == what).unwrap_or(&Value::Null).clone()
    };
    let before = json(dir, &["doctor", "--json", "--set", "redis.url=redis://x"]);
    assert_eq!(find(&before, "data directory")["state"], "note");
    assert!(find(&before, "settings")["detail"].as_str().unwrap().contains("redis.url"));
    assert!(!dir.join("data").exists(), "the doctor made a data directory");
    let server = Server::start(dir, &[]);
    let during = json(dir, &["doctor", "--json"]);
    assert_eq!(find(&during, "database")["state"], "ok");
    assert!(find(&during, "server")["detail"].as_str().unwrap().contains("http://127.0.0.1"));
    server.stop();
    std::fs::write(dir.join("data/keys/master.key"), "cd".repeat(32)).unwrap();
    let after = run(dir, &["doctor", "--json"]);
    assert!(!after.status.success());
    let after: Value = serde_json::from_slice(&after.stdout).unwrap();
    assert_eq!(find(&after, "database")["state"], "problem");
}

/// What the doctor says of tenants.
fn who_gets_in(dir: &Path) -> String {
    let found = json(dir, &["doctor", "--json"]);
    let tenants = found.as_array().unwrap().iter().find(|finding| finding["what"] == "tenants");
    tenants.unwrap()["detail"].as_str().unwrap().to_owned()
}

#[test]
fn the_doctor_says_truly_who_can_get_in() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let mut server = Server::start(dir, &["--demo"]);
    server.read_until("API key");
    server.stop();
    let found = who_gets_in(dir);
    assert!(found.starts_with("1; `connectus serve --demo` prints the sandbox's login"), "{found}");
    assert!(!found.contains("nobody"), "{found}");

    let other = tempfile::tempdir().unwrap();
    let dir = other.path();
    json(dir, &["tenant", "create", "Acme", "--json"]);
    assert!(who_gets_in(dir).starts_with("1; nobody can sign in yet"), "{}", who_gets_in(dir));
    let key = json(dir, &["token", "create", "--tenant", "Acme", "--role", "viewer", "--json"]);
    assert!(who_gets_in(dir).starts_with("1; API keys get in, nobody"), "{}", who_gets_in(dir));
    let key = key["id"].as_str().unwrap();
    assert!(run(dir, &["token", "revoke", "--tenant", "Acme", key]).status.success());
    assert!(who_gets_in(dir).starts_with("1; nobody can sign in yet"), "{}", who_gets_in(dir));
    user_create(dir, "ann@example.org", "correct horse battery");
    assert_eq!(who_gets_in(dir), "1");
}

#[test]
fn the_api_is_printed_without_any_data() {
    let folder = tempfile::tempdir().unwrap();
    let document = json(folder.path(), &["openapi"]);
    assert!(document["paths"]["/api/v1/events"]["get"]["x-permission"].is_string());
    assert!(!folder.path().join("data").exists());
}

#[test]
fn addresses_are_subscribed_and_looked_after_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    json(dir, &["tenant", "create", "Acme", "--json"]);
    let words = ["webhooks", "create", "--tenant", "Acme", "--event", "run.*", "--json"];
    let create = |url: &'static str| [&words[..], &["--url", url]].concat();
    assert!(refusal(dir, &create("https://10.0.0.1/")).contains("not on the public internet"));
    let made = json(dir, &create("https://example.com/hooks"));
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    assert!(secret.starts_with("whsec_"));
    let rotated = json(dir, &["webhooks", "rotate-secret", id, "--json"]);
    assert_ne!(rotated["secret"], made["secret"]);
    run(dir, &["webhooks", "disable", id]);
    let listed = run(dir, &["webhooks", "list", "--tenant", "Acme"]);
    let listed = text(&listed.stdout);
    assert!(listed.contains(id) && listed.contains("disabled: person"), "{listed}");
    assert!(!listed.contains("whsec_"), "{listed}");
    let replay = ["webhooks", "replay", id, "--since", "2026-01-05"];
    assert!(refusal(dir, &replay).contains("disabled"));
    run(dir, &["webhooks", "enable", id]);
    let replayed = run(dir, &replay);
    assert!(text(&replayed.stdout).contains("0 deliveries"));
    assert_eq!(json(dir, &["webhooks", "deliveries", id, "--json"]).as_array().unwrap().len(), 0);
    assert!(refusal(dir, &["webhooks", "replay", "dlv_nothing"]).contains("No such delivery"));
    run(dir, &["webhooks", "delete", id]);
    assert!(refusal(dir, &["webhooks", "enable", id]).contains("No such webhook subscription"));
}
