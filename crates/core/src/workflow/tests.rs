//! Definitions: what is read, what is refused, and that stored ones stay readable.

use serde_json::{Value, json};

use super::{Definition, Program};
use crate::{Code, Result};

fn program(value: &Value) -> Result<Program> {
    Program::compile(Definition::read(value)?)
}

/// A definition around some steps.
fn with(steps: &Value) -> Value {
    json!({"version": 1, "name": "t", "steps": steps})
}

#[test]
fn stored_definitions_stay_readable() {
    let text = include_str!("../../fixtures/workflow/definition-v1.json");
    let value: Value = serde_json::from_str(text).unwrap();
    let definition = Definition::read(&value).unwrap();
    assert_eq!(definition.to_json(), value, "written back as it was read");
    assert_eq!(serde_json::from_str::<Definition>(text).unwrap(), definition);
    let program = Program::compile(definition).unwrap();
    // The identity runs are pinned to: it must never change for the same definition.
    assert_eq!(
        program.hash().to_string(),
        include_str!("../../fixtures/workflow/definition-v1.sha256").trim()
    );
    assert_eq!(program.actions(), ["collection.delete", "collection.upsert", "slack.post_message"]);
}

#[test]
fn the_hash_ignores_order_and_notices_everything_else() {
    let a = json!({"version": 1, "name": "t", "steps": [{"id": "a", "type": "stop"}]});
    let text = r#"{"steps":[{"type":"stop","id":"a"}],"name":"t","version":1}"#;
    let hash = |value: &Value| Definition::read(value).unwrap().content_hash();
    assert_eq!(hash(&a), hash(&serde_json::from_str(text).unwrap()));
    let mut b = a.clone();
    b["steps"][0]["output"] = json!(1);
    assert_ne!(hash(&a), hash(&b));
}

#[test]
fn shape_faults_are_found_where_they_are() {
    for (value, fields) in [
        (json!([]), vec![""]),
        (json!({"version": 2, "name": "t", "steps": []}), vec!["/version"]),
        (json!({"version": 1, "steps": []}), vec![""]),
        (json!({"version": 1, "name": "t", "steps": [], "extra": 1}), vec!["/extra"]),
        (json!({"version": 1, "name": 5, "steps": []}), vec!["/name"]),
        (
            json!({"version": 1, "name": "t", "trigger": {"type": "x"}, "steps": []}),
            vec!["/trigger/type"],
        ),
        (with(&json!(["a", {"id": "b"}])), vec!["/steps/0", "/steps/1"]),
        (with(&json!([{"id": "a", "type": "dance"}])), vec!["/steps/0/type"]),
        (
            with(&json!([{"id": "a", "type": "stop", "retry": {"attempts": "x"}}])),
            vec!["/steps/0/retry/attempts"],
        ),
        (with(&json!([{"id": "a", "type": "wait", "for": "soon"}])), vec!["/steps/0/for"]),
        (with(&json!([{"id": "a", "type": "action", "input": {}}])), vec!["/steps/0"]),
        (
            with(&json!([{"id": "a", "type": "action", "action": "x", "items": []}])),
            vec!["/steps/0/items"],
        ),
        (
            with(&json!([{"id": "a", "type": "branch", "condition": "true", "then": [
                {"id": "b", "type": "for_each", "items": [], "steps": [{"id": "c", "type": "zap"}]},
                {"id": "d", "type": "set"}
            ]}])),
            vec!["/steps/0/then/0/steps/0/type", "/steps/0/then/1"],
        ),
    ] {
        let error = Definition::read(&value).expect_err(&value.to_string());
        assert_eq!(error.code, Code::Invalid);
        let found: Vec<&str> = error.fields.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(found, fields, "{value}");
    }
}

#[test]
fn meaning_faults_are_found_where_they_are() {
    for line in include_str!("../../fixtures/workflow/refused.jsonl").lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| case[key].as_str().unwrap().to_owned();
        let error = program(&with(&case["steps"])).expect_err(line);
        let found = error.fields.iter().find(|fault| fault.field == text("field"));
        let found = found.unwrap_or_else(|| panic!("{line}: {:?}", error.fields));
        assert!(found.message.contains(&text("says")), "{line}: {}", found.message);
    }
}

#[test]
fn limits_on_size_hold() {
    let stop = |i: usize| json!({"id": format!("s{i}"), "type": "stop"});
    let steps = |n: usize| with(&(0..n).map(stop).collect());
    program(&steps(100)).unwrap();
    assert!(program(&steps(101)).unwrap_err().detail.contains("101 steps"));

    let nested = |depth: usize| {
        (1..depth).fold(json!([stop(0)]), |inner, i| {
            json!([{"id": format!("b{i}"), "type": "branch", "condition": "true", "then": inner}])
        })
    };
    program(&with(&nested(10))).unwrap();
    assert!(program(&with(&nested(11))).unwrap_err().detail.contains("deeper than 10"));

    let mut long = with(&json!([stop(0)]));
    long["name"] = json!("x".repeat(101));
    assert!(program(&long).unwrap_err().detail.contains("100 characters"));
    long["name"] = json!("x");
    long["trigger"] = json!({"type": "schedule"});
    assert!(program(&long).unwrap_err().detail.starts_with("/trigger/config"));
}
