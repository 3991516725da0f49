//! The JSON Schema of definitions, for editors and checkers. A test compares it with what the
//! reader takes, and with `docs/workflow.schema.json`.
//!
//! `x-expression` says what a text is: `expression`, `template` or, for a whole value, `templates`.

use serde_json::{Value, json};

use super::{
    DEFINITION_VERSION, MAX_FAN_OUT, MAX_STEPS, TriggerType,
    concurrency::MAX_LIMIT,
    retry::MAX_ATTEMPTS,
    trigger::{Ending, Missed, Respond},
    typed::FieldType,
};
use crate::{
    event::EventType,
    expr::FILTERS,
    queue::{Holds, MAX_PRIORITY, QUEUES},
};

/// The JSON Schema of a definition.
pub fn definition() -> Value {
    let mut definitions = json!({
        "step": { "oneOf": steps() },
        "steps": {
            "type": "array", "maxItems": MAX_STEPS, "items": { "$ref": "#/$defs/step" },
        },
        "id": { "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]{0,63}$" },
        "span": {
            "description": "500ms, 30s, 15m, 2h, 7d; a bare number is seconds.",
            "type": ["string", "integer"], "pattern": "^[0-9]+ *(ms|s|m|h|d)$",
        },
        "expression": { "type": "string", "maxLength": 4096, "x-expression": "expression" },
        "template": { "type": "string", "x-expression": "template" },
        "templates": { "x-expression": "templates" },
        "call": call(),
        "retry": retry(),
        "fields": { "type": "object", "additionalProperties": { "$ref": "#/$defs/field" } },
        "field": field(),
        "trigger": trigger(),
    });
    for (name, config) in configs() {
        definitions[format!("config_{name}")] = config;
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Connectus workflow",
        "type": "object",
        "required": ["version", "name", "steps"],
        "additionalProperties": false,
        "properties": {
            "version": { "const": DEFINITION_VERSION },
            "name": { "type": "string", "minLength": 1, "maxLength": 100 },
            "description": { "type": ["string", "null"] },
            "queue": { "enum": queues() },
            "priority": { "type": "integer", "minimum": -MAX_PRIORITY, "maximum": MAX_PRIORITY },
            "concurrency": concurrency(),
            "trigger": { "$ref": "#/$defs/trigger" },
            "inputs": { "$ref": "#/$defs/fields" },
            "outputs": { "$ref": "#/$defs/fields" },
            "vars": { "type": "object" },
            "steps": { "$ref": "#/$defs/steps" },
            "output": { "$ref": "#/$defs/templates" },
        },
        "$defs": definitions,
        "x-completion": completion(),
    })
}

/// The queues a workflow can name.
fn queues() -> Value {
    let takes = QUEUES.iter().filter(|queue| queue.holds == Holds::Workflows);
    let names = takes.map(|queue| Value::from(queue.name)).chain([Value::Null]);
    Value::Array(names.collect())
}

fn concurrency() -> Value {
    json!({
        "type": ["object", "null"], "required": ["limit"], "additionalProperties": false,
        "properties": {
            "limit": { "type": "integer", "minimum": 1, "maximum": MAX_LIMIT },
            "key": { "type": ["string", "null"], "x-expression": "template" },
        },
    })
}

/// What an editor can offer inside an expression.
fn completion() -> Value {
    let name = |name: &str, says: &str| json!({ "name": name, "says": says });
    json!({
        "names": [
            name("trigger", "what the run was given"),
            name("input", "the same as `trigger`"),
            name("steps.<id>.output", "what an earlier step gave"),
            name("steps.<id>.status", "completed, failed or skipped"),
            name("steps.<id>.error", "why it failed: code and message"),
            name("vars.<name>", "a variable"),
            name("run.started_at", "when the run began"),
            name("run.seed", "one random number of the run"),
            name("run.generation", "how often it started over"),
            name("item", "the item of the innermost `for_each`"),
            name("index", "its position, from 0"),
            name("record", "in a condition: the record looked at"),
            name("key", "in a condition: its key"),
            name("records", "in a condition on all: the records"),
            name("count", "in a condition on all: how many there are"),
        ],
        "operators": [
            "+", "-", "*", "/", "//", "%", "~", "==", "!=", "<", "<=", ">", ">=", "and", "or",
            "not", "in", "is", "if", "else", "|",
        ],
        "filters": FILTERS,
    })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

fn call() -> Value {
    json!({
        "type": "object", "required": ["action"], "additionalProperties": false,
        "properties": {
            "action": { "type": "string" },
            "input": reference("templates"),
            "connection": { "type": ["string", "null"] },
        },
    })
}

fn retry() -> Value {
    json!({
        "type": "object", "additionalProperties": false,
        "properties": {
            "attempts": { "type": "integer", "minimum": 1, "maximum": MAX_ATTEMPTS },
            "backoff": reference("span"),
            "max_backoff": reference("span"),
            "jitter": { "type": "number", "minimum": 0, "maximum": 1 },
            "max_elapsed": reference("span"),
        },
    })
}

fn field() -> Value {
    let kinds: Vec<&str> = FieldType::ALL.iter().map(|kind| kind.name()).collect();
    json!({
        "type": "object", "additionalProperties": false,
        "properties": {
            "type": { "enum": kinds },
            "required": { "type": "boolean" },
            "default": {},
            "enum": { "type": "array" },
            "description": { "type": ["string", "null"] },
        },
    })
}

/// A trigger of each type, with what its config may hold.
fn trigger() -> Value {
    let kinds: Vec<Value> = TriggerType::ALL
        .iter()
        .map(|kind| {
            json!({
                "type": "object", "required": ["type"], "additionalProperties": false,
                "properties": {
                    "type": { "const": kind.name() },
                    "config": reference(&format!("config_{}", kind.name())),
                    "when": reference("expression"),
                },
            })
        })
        .collect();
    json!({ "oneOf": kinds })
}

fn configs() -> Vec<(&'static str, Value)> {
    let events: Vec<&str> = EventType::ALL.iter().map(|kind| kind.name()).collect();
    let missed: Vec<&str> = Missed::ALL.iter().map(|missed| missed.name()).collect();
    let endings: Vec<&str> = Ending::ALL.iter().map(|ending| ending.name()).collect();
    let responses: Vec<&str> = Respond::ALL.iter().map(|respond| respond.name()).collect();
    let text = || json!({ "type": "string" });
    let config = |mut members: Value, required: &[&str], open: bool| {
        members["dedupe"] = reference("template");
        json!({
            "type": "object", "required": required, "additionalProperties": open,
            "properties": members,
        })
    };
    let endpoint = json!({
        "type": ["object", "boolean"], "additionalProperties": false,
        "properties": {
            "header": text(), "prefix": text(), "id_header": text(),
            "encoding": { "enum": ["hex", "base64"] },
            "respond": { "enum": responses }, "timeout": reference("span"),
        },
    });
    let clock = json!({
        "schedule": text(), "cron": text(), "frequency": text(), "every": text(),
        "timezone": text(), "missed": { "enum": missed },
    });
    let condition = json!({
        "collection": text(), "integration": text(), "stream": text(),
        "expression": reference("expression"), "on": { "enum": ["record", "all"] },
        "schedule": text(), "cron": text(), "every": text(), "timezone": text(),
    });
    let event = json!({
        "event": { "type": ["string", "array"], "items": text(), "examples": events },
        "subject": text(),
    });
    let workflow = json!({
        "workflow": text(),
        "on": { "type": ["string", "array"], "items": { "enum": endings } },
    });
    let webhook = json!({ "event": text(), "provider": text(), "endpoint": endpoint });
    vec![
        ("manual", config(json!({}), &[], true)),
        ("webhook", config(webhook, &[], true)),
        ("schedule", config(clock, &[], true)),
        ("condition", config(condition, &["expression"], false)),
        ("event", config(event, &["event"], false)),
        ("workflow", config(workflow, &["workflow"], false)),
    ]
}

/// A step of each type.
fn steps() -> Vec<Value> {
    [ways(), waits(), ends()].into_iter().flatten().collect()
}

/// Steps that call something or hold other steps.
fn ways() -> Vec<Value> {
    let (steps, expression) = (reference("steps"), reference("expression"));
    let name = json!({ "type": "string" });
    let action = json!({ "action": name, "input": reference("templates"), "connection": name });
    let branch = json!({ "condition": expression, "then": steps, "else": steps });
    let case = json!({
        "type": "object", "required": ["when"], "additionalProperties": false,
        "properties": { "when": expression, "steps": steps },
    });
    let switch = json!({ "cases": { "type": "array", "items": case }, "default": steps });
    let parallel = json!({
        "branches": { "type": "array", "maxItems": MAX_FAN_OUT, "items": steps },
        "wait_for": { "type": ["string", "integer"], "examples": ["all", "any", 2] },
    });
    let each = json!({
        "items": { "type": ["string", "array"], "x-expression": "expression" },
        "as": reference("id"),
        "concurrency": { "type": "integer", "minimum": 1, "maximum": MAX_FAN_OUT },
        "steps": steps,
    });
    vec![
        step("action", &["action"], [true; 3], action),
        step("branch", &["condition"], [true; 3], branch),
        step("switch", &["cases"], [true; 3], switch),
        step("parallel", &["branches"], [true; 3], parallel),
        step("for_each", &["items", "steps"], [true; 3], each),
    ]
}

/// Steps that wait.
fn waits() -> Vec<Value> {
    let (template, span) = (reference("template"), reference("span"));
    let after = json!({ "enum": ["fail", "continue"] });
    let wait = json!({
        "for": span, "until": template, "signal": template, "deadline": span,
        "on_deadline": after,
    });
    let escalate = json!({
        "type": "object", "required": ["after", "approvers"], "additionalProperties": false,
        "properties": {
            "after": span,
            "approvers": { "type": "array", "items": { "type": "string" } },
        },
    });
    let approval = json!({
        "message": template, "approvers": { "type": "array", "items": { "type": "string" } },
        "deadline": span, "on_deadline": after, "on_reject": after, "escalate": escalate,
    });
    vec![step("wait", &[], [true; 3], wait), step("approval", &["message"], [true; 3], approval)]
}

/// The other ones.
fn ends() -> Vec<Value> {
    let (templates, name) = (reference("templates"), json!({ "type": "string" }));
    let set = json!({ "vars": { "type": "object", "additionalProperties": templates } });
    let fail = json!({ "message": reference("template"), "code": name });
    let workflow = json!({ "workflow": name, "input": templates });
    vec![
        step("set", &["vars"], [false, false, true], set),
        step("fail", &["message"], [false; 3], fail),
        step("stop", &[], [false; 3], json!({ "output": templates })),
        step("workflow", &["workflow"], [true; 3], workflow),
        step("restart", &["input"], [false; 3], json!({ "input": templates })),
    ]
}

/// A step of one type: what all have, which of retry, timeout and compensation it may have, and its
/// own.
fn step(kind: &str, required: &[&str], policies: [bool; 3], own: Value) -> Value {
    let mut members = json!({
        "id": reference("id"),
        "name": { "type": ["string", "null"] },
        "type": { "const": kind },
        "when": reference("expression"),
        "continue_on_error": { "type": "boolean" },
        "on_error": reference("steps"),
        "skip": { "type": "boolean" },
    });
    let members_of = [("retry", "retry"), ("timeout", "span"), ("compensate", "call")];
    for ((name, of), _) in members_of.into_iter().zip(policies).filter(|(_, may)| *may) {
        members[name] = reference(of);
    }
    if let Value::Object(own) = own {
        for (name, value) in own {
            members[name] = value;
        }
    }
    let mut all = vec!["id", "type"];
    all.extend(required);
    json!({
        "type": "object", "required": all, "additionalProperties": false, "properties": members,
    })
}
