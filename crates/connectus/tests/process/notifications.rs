//! Of which failures people are told, as the operator says it.

use serde_json::json;

use crate::connectus::{json, refusal, run, text};

#[test]
fn rules_are_made_tried_out_and_switched_off() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    json(dir, &["tenant", "create", "Acme", "--json"]);
    let email = ["notifications", "create", "Acme", "On call", "--email", "ann@example.org"];
    let refused = refusal(dir, &email);
    assert!(refused.contains("SMTP_URL") && refused.contains("SMTP_FROM"), "{refused}");
    let none = refusal(dir, &["notifications", "create", "Acme", "On call"]);
    assert!(none.contains("--email"), "{none}");

    let new = ["notifications", "create", "Acme", "Ops", "--webhook", "--events", "run.*,flow.*"];
    let made = json(dir, &[&new[..], &["--severity", "warning", "--json"]].concat());
    assert_eq!(made["events"], json!(["run.*", "flow.*"]));
    let id = made["id"].as_str().unwrap();
    let tried = run(dir, &["notifications", "test", id]);
    assert!(tried.status.success(), "{}", text(&tried.stderr));
    let events = json(dir, &["api", "events/log?types=notification.raised&limit=200"]);
    assert_eq!(events["items"].as_array().unwrap().len(), 1);

    for (word, enabled) in [("disable", false), ("enable", true)] {
        let switched = run(dir, &["notifications", word, id]);
        assert!(switched.status.success(), "{}", text(&switched.stderr));
        let listed = json(dir, &["notifications", "list", "--tenant", "Acme", "--json"]);
        assert_eq!(listed[0]["enabled"], enabled, "{listed}");
    }
    assert_eq!(json(dir, &["notifications", "log", "--json"]), json!([]));
    let gone = run(dir, &["notifications", "delete", id]);
    assert!(gone.status.success(), "{}", text(&gone.stderr));
    assert!(refusal(dir, &["notifications", "test", id]).contains("notification rule"));
}

#[test]
fn a_mail_server_that_cannot_be_one_stops_the_start_without_its_password() {
    let folder = tempfile::tempdir().unwrap();
    let set = ["--set", "smtp.url=smtp://ann:s3cret@"];
    let said = refusal(folder.path(), &[&["events", "handlers"][..], &set].concat());
    assert!(said.contains("smtp.url") && !said.contains("s3cret"), "{said}");
}
