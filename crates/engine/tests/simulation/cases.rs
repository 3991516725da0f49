//! Definitions that use every kind of step, and the templates.

use connectus_engine::workflows::templates;
use serde_json::{Value, json};

use crate::{
    steps::{nap, post, put},
    world::SUBSCRIBER,
};

/// A definition and an input with which it is run.
pub struct Case {
    pub name: String,
    pub definition: Value,
    pub input: Value,
}

fn with(mut step: Value, member: &str, value: Value) -> Value {
    step[member] = value;
    step
}

/// Ways that part and meet, with something to undo before and after.
fn forks() -> Vec<(&'static str, Value)> {
    let fork = |wait_for: Value, branches: Value| {
        json!([put("a", "a"), { "id": "fork", "type": "parallel", "branches": branches,
            "wait_for": wait_for }, put("z", "z")])
    };
    vec![
        (
            "ways",
            json!([put("a", "a"),
                { "id": "if", "type": "branch", "condition": "true", "then": [put("b", "b")] },
                { "id": "case", "type": "switch", "cases": [
                    { "when": "false", "steps": [put("never", "never")] },
                    { "when": "true", "steps": [post("p", "p"), put("c", "c")] },
                ] },
                put("z", "z")]),
        ),
        ("all", fork(json!("all"), json!([[put("b", "b")], [post("p", "p"), put("c", "c")]]))),
        ("any", fork(json!("any"), json!([[put("b", "b")], [nap("n", "1d"), put("c", "c")]]))),
        (
            "some",
            fork(
                json!(2),
                json!([[put("b", "b")], [put("c", "c")], [nap("n", "2d"), post("p", "p")]]),
            ),
        ),
        (
            "each",
            json!([{ "id": "each", "type": "for_each", "items": [1, 2, 3], "concurrency": 2,
                "steps": [put("k", "k{{ item }}"), post("p", "item {{ item }}")] }, put("z", "z")]),
        ),
    ]
}

/// Every other kind of step.
fn others() -> Vec<(&'static str, Value)> {
    let contact = json!({ "id": "make", "type": "action", "action": "hubspot.create_contact",
        "input": { "properties": { "email": "ada@example.com" } } });
    let call = |method: &str| {
        json!({ "id": method.to_lowercase(), "type": "action", "action": "http.request",
            "input": { "url": format!("{SUBSCRIBER}/{method}"), "method": method,
                "idempotent": true } })
    };
    vec![
        (
            "waits",
            json!([put("a", "a"), nap("n", "1h"), put("b", "b"),
                { "id": "ask", "type": "wait", "signal": "go" }, put("c", "c"),
                { "id": "may", "type": "approval", "message": "May it?" }, post("p", "p")]),
        ),
        (
            "calls",
            json!([put("a", "a"), { "id": "sub", "type": "workflow", "workflow": "child",
                "input": {} }, put("b", "b"), contact, call("POST"), call("PUT"), put("z", "z")]),
        ),
        (
            "again",
            json!([post("p", "round {{ trigger.n | default(0) }}"),
                { "id": "more", "type": "branch", "condition": "(trigger.n | default(0)) < 2",
                  "then": [{ "id": "restart", "type": "restart",
                      "input": { "n": "{{ (trigger.n | default(0)) + 1 }}" } }] },
                put("a", "a"), { "id": "set", "type": "set", "vars": { "x": 1 } },
                put("z", "z"), { "id": "stop", "type": "stop", "output": "{{ vars.x }}" }]),
        ),
        (
            "errors",
            json!([
                put("a", "a"),
                with(post("p", "p"), "on_error", json!([put("sorry", "sorry")])),
                with(put("b", "b"), "continue_on_error", json!(true)),
                put("z", "z")
            ]),
        ),
        (
            "fails",
            json!([put("a", "a"), put("b", "b"), post("p", "p"),
                { "id": "no", "type": "fail", "message": "on purpose" }]),
        ),
    ]
}

/// Blocks that are limited, done again and undone as a whole.
fn policies() -> Vec<(&'static str, Value)> {
    let undo = json!({ "action": "collection.delete",
        "input": { "collection": "digisol_crm/contacts", "key": "whole" } });
    let again = json!({ "attempts": 3, "backoff": "1m" });
    let block = |id: &str, steps: Value| {
        json!({ "id": id, "type": "branch", "condition": "true", "then": steps,
            "retry": again, "timeout": "9d", "compensate": undo })
    };
    vec![
        (
            "attempts",
            json!([
                put("a", "a"),
                block("one", json!([put("b", "b"), post("p", "p"), put("c", "c")])),
                put("z", "z")
            ]),
        ),
        (
            "nested attempts",
            json!([
                block(
                    "outer",
                    json!([put("a", "a"),
                { "id": "each", "type": "for_each", "items": [1, 2], "retry": again,
                  "steps": [put("k", "k{{ item }}"), nap("n", "1h")] },
                { "id": "sub", "type": "workflow", "workflow": "child", "input": {},
                  "retry": again, "timeout": "9d" }])
                ),
                put("z", "z")
            ]),
        ),
        (
            "late",
            json!([put("a", "a"), { "id": "slow", "type": "parallel", "timeout": "1h",
                "branches": [[put("b", "b"), nap("n", "20d")], [post("p", "p"), nap("m", "30d")]],
                "on_error": [put("sorry", "sorry")] }, put("z", "z")]),
        ),
    ]
}

/// All of them, and the templates.
pub fn cases() -> Vec<Case> {
    let own = forks().into_iter().chain(others()).chain(policies()).map(|(name, steps)| Case {
        name: name.to_owned(),
        definition: json!({ "version": 1, "name": name, "steps": steps }),
        input: json!({}),
    });
    let shipped = templates::all().unwrap().iter().map(|template| {
        let mut definition = template.definition.clone();
        // Started by hand: what else would start it is not the question here.
        definition["trigger"] = json!({ "type": "manual" });
        let mut input = template.sample.clone();
        match template.id {
            "deal-approval" => input["amount"] = json!(50_000),
            "follow-up-sequence" => input["days"] = json!([1, 2]),
            _ => {}
        }
        Case { name: template.id.to_owned(), definition, input }
    });
    own.chain(shipped).collect()
}
