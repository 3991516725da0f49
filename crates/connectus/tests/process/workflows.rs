//! Workflows as the operator makes them: of templates and files, in versions.

use std::{io::Write, path::Path, process::Stdio};

use serde_json::{Value, json};

use crate::connectus::{Server, command, json, refusal, run, text};

fn definition(name: &str, greeting: &str) -> Value {
    let text = format!("{greeting} {{{{ trigger.name }}}}");
    json!({"version": 1, "name": name, "steps": [
        {"id": "greet", "type": "set", "vars": {"text": text}}]})
}

/// Makes a workflow of what comes on standard input.
fn import(dir: &Path, definition: &Value, words: &[&str]) -> Value {
    let mut child = command(dir, &[&["workflows", "import", "-", "--json"], words].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(definition.to_string().as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success());
    serde_json::from_slice(&done.stdout).unwrap()
}

#[test]
fn templates_are_listed_and_made_into_workflows() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    // Neither needs a tenant, or a database.
    let schema = json(dir, &["workflows", "schema"]);
    assert!(schema["$schema"].is_string() || schema["title"].is_string(), "{schema}");
    let templates = json(dir, &["workflows", "templates", "--json"]);
    let templates = templates.as_array().unwrap();
    assert!(templates.len() >= 12, "{} templates", templates.len());
    let shown = text(&run(dir, &["workflows", "templates"]).stdout);
    let first = templates[0]["id"].as_str().unwrap();
    assert!(shown.lines().any(|line| line.starts_with(first)), "{shown}");
    assert_eq!(shown.lines().count(), templates.len());

    assert!(refusal(dir, &["workflows", "list"]).contains("tenant create"));
    json(dir, &["tenant", "create", "Acme", "--json"]);
    assert_eq!(json(dir, &["workflows", "list", "--json"]), json!([]));
    let made = json(dir, &["workflows", "new", first, "--name", "Ours", "--json"]);
    assert_eq!(made["name"], "Ours");
    let listed = text(&run(dir, &["workflows", "list"]).stdout);
    assert!(listed.contains(made["id"].as_str().unwrap()) && listed.contains("Ours"), "{listed}");
    let exported = json(dir, &["workflows", "export", "Ours", "--format", "json"]);
    assert_eq!(exported["name"], "Ours");
    assert!(refusal(dir, &["workflows", "new", "no_such_template"]).contains("template"));
    // Where there are several tenants, one is named.
    json(dir, &["tenant", "create", "Other", "--json"]);
    assert!(refusal(dir, &["workflows", "list"]).contains("--tenant"));
    let others = ["workflows", "list", "--tenant", "Other", "--json"];
    assert_eq!(json(dir, &others), json!([]), "another tenant's are not shown");
}

#[test]
fn versions_are_imported_compared_exported_and_published() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    json(dir, &["tenant", "create", "Acme", "--json"]);
    let first = import(dir, &definition("Greet", "Hello"), &[]);
    import(dir, &definition("Greet", "Goodbye"), &["--workflow", "Greet"]);
    let versions = json(dir, &["workflows", "versions", "Greet", "--json"]);
    let numbers: Vec<_> = versions.as_array().unwrap().iter().map(|one| &one["number"]).collect();
    assert_eq!(numbers.len(), 2, "{versions}");
    let live: Vec<_> =
        versions.as_array().unwrap().iter().filter(|one| one["live"] == true).collect();
    assert_eq!((live.len(), &live[0]["number"]), (1, &json!(2)));
    let shown = text(&run(dir, &["workflows", "versions", "Greet"]).stdout);
    assert!(shown.lines().any(|line| line.contains("2  live")), "{shown}");

    let found = json(dir, &["workflows", "diff", "Greet", "1", "2", "--json"]);
    assert_eq!((&found["from"], &found["to"]), (&json!(1), &json!(2)));
    assert_eq!(found["changes"][0]["step"], "greet");
    let shown = text(&run(dir, &["workflows", "diff", "Greet", "1", "2"]).stdout);
    assert!(shown.starts_with("1 -> 2\n") && shown.contains("  - \"Hello"), "{shown}");
    assert!(refusal(dir, &["workflows", "diff", "Greet", "1", "9"]).contains("version"));

    let published = json(dir, &["workflows", "publish", "Greet", "1", "--json"]);
    assert_eq!(published["id"], first["id"]);
    let live = json(dir, &["workflows", "export", "Greet", "--format", "json"]);
    let text_of = |definition: &Value| definition["steps"][0]["vars"]["text"].clone();
    assert_eq!(text_of(&live), "Hello {{ trigger.name }}");
    let second = ["workflows", "export", "Greet", "--number", "2", "--format", "json"];
    assert_eq!(text_of(&json(dir, &second)), "Goodbye {{ trigger.name }}");
    // What is written as YAML is read again as the same.
    let yaml = dir.join("greet.yaml");
    std::fs::write(&yaml, run(dir, &["workflows", "export", "Greet"]).stdout).unwrap();
    let again = json(dir, &["workflows", "import", yaml.to_str().unwrap(), "--json"]);
    let again = again["id"].as_str().unwrap().to_owned();
    let copy = json(dir, &["workflows", "export", &again, "--format", "json"]);
    assert_eq!(text_of(&copy), text_of(&live));
    assert!(refusal(dir, &["workflows", "publish", "Greet", "9"]).contains("version"));
    assert!(refusal(dir, &["workflows", "export", "Nobody"]).contains("Nobody"));
    std::fs::write(&yaml, "steps: [").unwrap();
    assert!(!run(dir, &["workflows", "import", yaml.to_str().unwrap()]).status.success());
}

#[test]
fn an_execution_is_waited_for_from_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    json(dir, &["tenant", "create", "Acme", "--json"]);
    let made = import(dir, &definition("Greet", "Hello"), &[]);
    let path = format!("workflows/{}/execute", made["id"].as_str().unwrap());
    let body = r#"{"input": {"name": "Ada"}}"#;
    let words = ["api", &path, "-d", body, "-H", "Prefer: wait=30"];
    let server = Server::start(dir, &[]);
    let run = json(dir, &words);
    assert_eq!(
        (&run["status"], &run["output"]["text"]),
        (&json!("completed"), &json!("Hello Ada"))
    );
    server.stop();
}
