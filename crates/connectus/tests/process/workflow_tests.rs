//! Testing workflows from the command line.

use serde_json::json;

use crate::connectus::{Server, json, refusal, run, text};

#[test]
fn a_workflow_is_tried_recorded_and_tested() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    json(dir, &["tenant", "create", "Acme", "--json"]);
    let definition = json!({"version": 1, "name": "Keep", "steps": [
        {"id": "keep", "type": "action", "action": "collection.upsert",
         "input": {"collection": "crm/people", "key": "ann", "record": {"n": "{{ trigger.n }}"}}},
        {"id": "post", "type": "action", "action": "http.request",
         "input": {"url": "https://example.com/", "method": "POST"}, "continue_on_error": true}]});
    let file = dir.join("keep.json");
    std::fs::write(&file, definition.to_string()).unwrap();
    let file = file.to_str().unwrap();
    json(dir, &["workflows", "import", file, "--json"]);

    let attempt = ["workflows", "test", "try", "Keep", "--input", r#"{"n": 1}"#];
    let tried = run(dir, &attempt);
    assert!(tried.status.success());
    let tried = text(&tried.stdout);
    assert!(tried.contains("simulated     keep  collection.upsert"), "{tried}");
    assert!(tried.contains("not_performed post  http.request"), "{tried}");
    let pinned = [&attempt[..], &["--pin", r#"post={"status": 204}"#, "--json"]].concat();
    assert_eq!(json(dir, &pinned)["output"], json!({"status": 204}));
    let until = [&attempt[..], &["--until", "keep", "--perform", "--json"]].concat();
    assert_eq!(json(dir, &until)["steps"][0]["how"], "performed");
    assert!(refusal(dir, &[&attempt[..], &["--step", "kept"]].concat()).contains("no step `kept`"));
    let failed = run(dir, &[&attempt[..], &["--fail", "keep=not_found"]].concat());
    assert!(!failed.status.success() && text(&failed.stdout).contains("failed at keep"));

    let body = r#"{"input": {"n": 2}}"#;
    let id = json(dir, &["workflows", "list", "--json"])[0]["id"].as_str().unwrap().to_owned();
    let started = json(dir, &["api", &format!("workflows/{id}/execute"), "-d", body]);
    let recorded = started["id"].as_str().unwrap();
    let token = json(dir, &["token", "create", "--tenant", "Acme", "--role", "viewer", "--json"]);
    let server = Server::start(dir, &[]);
    let path = format!("/api/v1/runs/{recorded}");
    server.until(&path, token["token"].as_str().unwrap(), |run| run["status"] == "completed");
    server.stop();

    let words = ["workflows", "test", "save", "Keep", recorded, "--name", "Two", "--json"];
    assert_eq!(json(dir, &words)[0]["name"], "Two");
    let passed = text(&run(dir, &["workflows", "test", "run", "Keep"]).stdout);
    assert_eq!(passed, "passed  Two\n1 passed, 0 failed\n");
    let changed = definition.to_string().replace("ann", "bob");
    std::fs::write(file, changed).unwrap();
    let against = ["workflows", "test", "run", "Keep", "--file", file];
    let found = run(dir, &against);
    assert!(!found.status.success());
    let found = text(&found.stdout);
    assert!(found.contains("FAILED  Two\n  /steps/keep/input/key: \"ann\" | \"bob\"\n"), "{found}");
    run(dir, &["workflows", "import", file, "--workflow", "Keep"]);
    let publish = ["workflows", "publish", "Keep", "2", "--require-tests"];
    assert!(refusal(dir, &publish).contains("tests fail against this version: Two"));
    let accept = ["workflows", "test", "run", "Keep", "Two", "--accept", "--json"];
    assert_eq!(json(dir, &accept)["failed"], 1);
    assert!(run(dir, &publish).status.success());
    let shown = json(dir, &["workflows", "test", "show", "Keep", "Two"]);
    assert_eq!(shown["expected"]["steps"]["keep"]["input"]["key"], "bob");
    let listed = text(&run(dir, &["workflows", "test", "list", "Keep"]).stdout);
    assert!(listed.contains(recorded), "{listed}");
    assert!(run(dir, &["workflows", "test", "delete", "Keep", "Two"]).status.success());
    assert_eq!(json(dir, &["workflows", "test", "list", "Keep", "--json"]), json!([]));
}
