//! What the operator does with runs, beside a running server and without one.

use std::path::Path;

use serde_json::{Value, json};

use crate::connectus::{Server, json, refusal, run, text};

/// Makes a workflow of these steps; answers its identifier.
fn workflow(dir: &Path, name: &str, steps: &Value) -> String {
    let definition = json!({"version": 1, "name": name, "steps": steps});
    let body = json!({"definition": definition}).to_string();
    json(dir, &["api", "workflows", "-d", &body])["id"].as_str().unwrap().to_owned()
}

/// Starts a run of a workflow; answers its identifier.
fn execute(dir: &Path, workflow: &str, input: &Value) -> String {
    let body = json!({"input": input}).to_string();
    let path = format!("workflows/{workflow}/execute");
    json(dir, &["api", &path, "-d", &body])["id"].as_str().unwrap().to_owned()
}

/// A step that keeps a record of what the run was given.
fn keep(id: &str) -> Value {
    json!({"id": id, "type": "action", "action": "collection.upsert",
        "input": {"collection": "crm/people", "key": id, "record": {"n": "{{ trigger.n }}"}}})
}

#[test]
fn a_large_value_is_shown_as_its_size_and_written_whole() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    json(dir, &["tenant", "create", "Acme", "--json"]);
    let made = workflow(dir, "Keep", &json!([keep("one")]));
    let input = json!({"n": "x".repeat(100_000)});
    let id = execute(dir, &made, &input);
    let shown = json(dir, &["runs", &id, "--json"]);
    let parked = &shown["run"]["input"]["parked"];
    assert_eq!(parked["bytes"], input.to_string().len(), "{shown}");
    let blob = parked["blob"].as_str().unwrap();
    assert!(json(dir, &["runs", "payload", &id, blob]) == input);
    assert!(refusal(dir, &["runs", "payload", &id, "x"]).contains("a day and a hash"));
    let told = text(&run(dir, &["doctor"]).stdout);
    assert!(told.contains("large values    1, 100008 bytes"), "{told}");
    std::fs::remove_dir_all(dir.join("data/blobs")).unwrap();
    let told = run(dir, &["doctor"]);
    assert!(!told.status.success());
    let told = text(&told.stdout);
    assert!(told.contains("1 of the newest 1 are missing"), "{told}");
}

#[test]
fn a_run_is_repeated_in_every_way_and_compared() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    json(dir, &["tenant", "create", "Acme", "--json"]);
    let made = workflow(dir, "Two", &json!([keep("one"), keep("two")]));
    let first = execute(dir, &made, &json!({"n": 1}));
    assert!(refusal(dir, &["runs", "retry", &first]).contains("has not ended yet"));
    let token = json(dir, &["token", "create", "--tenant", "Acme", "--role", "viewer", "--json"]);
    let token = token["token"].as_str().unwrap();
    let server = Server::start(dir, &[]);
    let path = |run: &str| format!("/api/v1/runs/{run}");
    let ended = |run: &str| server.until(&path(run), token, |run| run["status"] == "completed");
    ended(&first);

    let id = |words: &[&str]| json(dir, words)["id"].as_str().unwrap().to_owned();
    let retried = id(&["runs", "retry", &first, "--json"]);
    let part = id(&["runs", "rerun", &first, "--from-step", "two", "--json"]);
    let edited = id(&["runs", "rerun", &first, "--input", r#"{"n": 2}"#, "--json"]);
    let forked = id(&["runs", "fork", &first, "--at", "1", "--json"]);
    assert_eq!(ended(&retried)["trigger"], "retry");
    assert_eq!(ended(&part)["steps"][0]["reused"], true);
    assert_eq!(ended(&edited)["output"]["record"]["n"], 2);
    assert_eq!(ended(&forked)["origin"]["position"], 1);
    server.stop();

    assert!(refusal(dir, &["runs", "rerun", &first]).contains("--from-step"));
    assert!(refusal(dir, &["runs", "rerun", &first, "--input", "{"]).contains("is no JSON"));
    assert!(
        refusal(dir, &["runs", "fork", &first, "--at", "99"]).contains("length of the journal")
    );
    let told = json(dir, &["runs", "compare", &first, &edited, "--json"]);
    assert_eq!(told["input"], json!([{"path": "/n", "left": 1, "right": 2}]));
    let told = text(&run(dir, &["runs", "compare", &first, &edited]).stdout);
    assert!(told.contains("input/n: 1 | 2\n"), "{told}");
    assert!(told.contains("step two: completed | completed\n  input/record/n: 1 | 2\n"), "{told}");
    let same = text(&run(dir, &["runs", "compare", &first, &first]).stdout);
    assert!(same.ends_with("2 steps are the same\n"), "{same}");
    assert!(refusal(dir, &["runs", "compare", &first, "run_x"]).contains("No such run"));
}

#[test]
fn many_runs_are_stopped_and_repeated_by_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    json(dir, &["tenant", "create", "Acme", "--json"]);
    let nap = workflow(dir, "Nap", &json!([{"id": "nap", "type": "wait", "for": "1d"}]));
    let bad = workflow(dir, "Bad", &json!([{"id": "no", "type": "fail", "message": "no paper"}]));
    let one = execute(dir, &nap, &json!({}));
    for _ in 0..2 {
        execute(dir, &nap, &json!({}));
        execute(dir, &bad, &json!({}));
    }
    let stopped = json(dir, &["runs", "cancel", &one, "--json"]);
    assert_eq!(stopped["cancel_requested"], true);
    let many = ["runs", "cancel", "--of", &nap];
    let dry = text(&run(dir, &[&many[..], &["--dry-run"]].concat()).stdout);
    assert!(dry.contains("2 of 2 runs would be asked to stop"), "{dry}");
    let done = json(dir, &[&many[..], &["--json"]].concat());
    assert_eq!((&done["matched"], &done["left"]), (&json!(2), &json!(0)));
    assert!(refusal(dir, &["runs", "cancel"]).contains("which runs are meant"));
    assert!(refusal(dir, &["runs", "cancel", &one, "--dry-run"]).contains("is named already"));

    let token = json(dir, &["token", "create", "--tenant", "Acme", "--role", "viewer", "--json"]);
    let token = token["token"].as_str().unwrap();
    let server = Server::start(dir, &[]);
    let all = |count: u64| move |page: &Value| page["total_count"] == count;
    server.until("/api/v1/runs?status=cancelled", token, all(3));
    server.until("/api/v1/runs?dead_letters=true", token, all(2));
    let again = json(dir, &["runs", "retry", "--dead-letters", "--tenant", "Acme", "--json"]);
    assert_eq!(again["runs"].as_array().unwrap().len(), 2);
    server.until("/api/v1/runs?trigger=retry&status=failed", token, all(2));
    server.stop();
    let dead = json(dir, &["runs", "--dead-letters", "--json"]);
    assert_eq!(dead.as_array().unwrap().len(), 2, "each repetition failed again");
}

#[test]
fn queues_are_paused_and_limited_by_the_operator() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    json(dir, &["tenant", "create", "Acme", "--json"]);
    let steps = json!([{"id": "note", "type": "set", "vars": {"a": 1}}]);
    let held = workflow(dir, "Held", &steps);
    let free = json!({"definition": {
        "version": 1, "name": "Free", "queue": "export", "steps": steps}});
    let free = json(dir, &["api", "workflows", "-d", &free.to_string()]);
    let free = free["id"].as_str().unwrap();
    let paused = run(dir, &["queues", "pause", "workflow"]);
    assert_eq!(text(&paused.stdout), "workflow is paused for all tenants\n");
    let token = json(dir, &["token", "create", "--tenant", "Acme", "--role", "viewer", "--json"]);
    let token = token["token"].as_str().unwrap();
    let server = Server::start(dir, &["--set", "queues.concurrency=export=3"]);
    let held = format!("/api/v1/runs/{}", execute(dir, &held, &json!({})));
    let free = format!("/api/v1/runs/{}", execute(dir, free, &json!({})));
    server.until(&free, token, |run| run["status"] == "completed");
    assert_eq!(server.get(&held, token)["status"], "queued");
    assert_eq!(server.get("/api/v1/queues/export", token)["concurrency"], 3);
    let shown = json(dir, &["queues", "--json"]);
    assert_eq!(shown[0]["queues"].as_array().unwrap().len(), 8);
    let shown = text(&run(dir, &["queues"]).stdout);
    assert!(shown.lines().any(|line| line.contains("workflow") && line.ends_with("for all")));
    run(dir, &["queues", "resume", "workflow"]);
    server.until(&held, token, |run| run["status"] == "completed");
    let tenant = run(dir, &["queues", "pause", "export", "--tenant", "Acme"]);
    assert!(text(&tenant.stdout).starts_with("export is paused for tenant ten_"));
    assert!(server.get("/api/v1/queues/export", token)["paused_at"].is_string());
    assert!(refusal(dir, &["queues", "pause", "slow"]).contains("generation, workflow"));
    let wrong = ["serve", "--listen", "127.0.0.1:0", "--set", "queues.concurrency=slow=3"];
    server.stop();
    assert!(refusal(dir, &wrong).contains("must be one of generation"));
    let doctor = run(dir, &["doctor", "--set", "queues.concurrency=slow=3"]);
    assert!(!doctor.status.success());
    assert!(text(&doctor.stdout).contains("must be one of generation"));
}

#[test]
fn one_process_answers_another_works_and_a_third_looks_at_the_clock() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    json(dir, &["tenant", "create", "Acme", "--json"]);
    let token = json(dir, &["token", "create", "--tenant", "Acme", "--role", "viewer", "--json"]);
    let token = token["token"].as_str().unwrap();
    let definition = json!({"definition": {"version": 1, "name": "Each second",
        "trigger": {"type": "schedule", "config": {"schedule": "every 1m"}},
        "steps": [{"id": "note", "type": "set", "vars": {"a": 1}}]}});
    let made = json(dir, &["api", "workflows", "-d", &definition.to_string()]);
    let api = Server::start(dir, &["--roles", "api"]);
    let worker = Server::start_as(dir, &["worker", "--loglevel", "info"]);
    let clock = Server::start_as(dir, &["scheduler", "--loglevel", "info"]);
    assert_eq!(worker.call("GET", "/api/v1/runs", token, "").0, 404, "it has no API");
    let ready = clock.get("/health/ready", "");
    assert_eq!(ready["status"], "ready", "{ready}");
    let told = |answer: &Value| answer["items"].as_array().unwrap().len() == 3;
    let workers = api.until("/api/v1/workers", token, told);
    for (role, state) in [("api", "serving"), ("worker", "working"), ("scheduler", "serving")] {
        let mut found = workers["items"].as_array().unwrap().iter();
        let found = found.find(|worker| worker["roles"] == json!([role])).unwrap();
        assert_eq!(found["alive"], true);
        let slots = found["slots"].as_array().unwrap().len();
        assert_eq!(slots, if role == "worker" { 7 } else { 0 });
        let states = [json!(state), json!("standby")];
        assert!(states.contains(&found["state"]), "{found}");
    }
    let shown = text(&run(dir, &["queues", "workers"]).stdout);
    assert!(shown.lines().any(|line| line.contains("0/") && line.contains("worker")), "{shown}");
    let run = execute(dir, made["id"].as_str().unwrap(), &json!({}));
    api.until(&format!("/api/v1/runs/{run}"), token, |run| run["status"] == "completed");
    assert!(refusal(dir, &["worker"]).contains("`connectus worker`"));
    assert!(clock.stop().0.success());
    assert_eq!(api.get("/api/v1/workers", token)["items"].as_array().unwrap().len(), 2);
    for server in [worker, api] {
        assert!(server.stop().0.success());
    }
}
