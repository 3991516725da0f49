//! Who follows events, as the operator sees it, and figures made again beside a running server.

use serde_json::{Value, json};

use crate::connectus::{Server, json, refusal, run, text};

/// The handlers of the only tenant, by name.
fn handler(dir: &std::path::Path, name: &str) -> Value {
    let told = json(dir, &["events", "handlers", "--json"]);
    let handlers = told[0]["handlers"].as_array().unwrap().clone();
    handlers.into_iter().find(|one| one["name"] == name).unwrap()
}

#[test]
fn figures_are_kept_by_a_server_and_made_again_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    json(dir, &["tenant", "create", "Acme", "--json"]);
    let token = json(dir, &["token", "create", "--tenant", "Acme", "--role", "viewer", "--json"]);
    let token = token["token"].as_str().unwrap();
    let waiting = handler(dir, "analytics.events");
    assert_eq!((&waiting["state"], &waiting["seq"]), (&json!("behind"), &json!(0)));

    let server = Server::start(dir, &[]);
    let path = "/api/v1/analytics/events";
    let kept = server.until(path, token, |figures| figures["behind"] == 0);
    let again = run(dir, &["events", "rebuild", "--tenant", "Acme"]);
    assert!(again.status.success(), "{}", text(&again.stderr));
    assert!(text(&again.stdout).contains("analytics.events is made again"));
    assert_eq!(server.until(path, token, |figures| figures["behind"] == 0), kept);
    assert_eq!(handler(dir, "analytics.events")["state"], "following");
    server.stop();

    // Without a server the command does it alone.
    let again = run(dir, &["events", "rebuild", "--projection", "events"]);
    assert!(again.status.success(), "{}", text(&again.stderr));
    assert_eq!(handler(dir, "analytics.events")["behind"], 0);
    let refused = refusal(dir, &["events", "rebuild", "--projection", "people"]);
    assert!(refused.contains("runs, syncs, events"), "{refused}");
}
