//! The published JSON Schema says what the reader takes.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is test code; clippy knows it of functions marked #[test] only"
)]

use connectus_core::workflow::{Definition, Kind, Step, schema};
use serde_json::{Map, Value, json};

const GUIDE: &str = include_str!("../../../docs/guides/workflows.md");
const FILE: &str = include_str!("../../../docs/workflow.schema.json");

/// Whether a value is what the schema says; only the keywords that it uses.
fn fits(root: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    if let Some(path) = schema["$ref"].as_str() {
        return fits(root, root.pointer(path.trim_start_matches('#')).unwrap(), value);
    }
    if let Some(ways) = schema["oneOf"].as_array() {
        let tried: Vec<_> = ways.iter().map(|way| fits(root, way, value)).collect();
        let right = tried.iter().filter(|way| way.is_ok()).count();
        let own = |way: &&Value| way["properties"]["type"]["const"] == value["type"];
        let at = ways.iter().position(|way| own(&way));
        let why = at.and_then(|at| tried[at].clone().err()).unwrap_or_default();
        return if right == 1 { Ok(()) } else { Err(format!("{right} ways fit: {why}")) };
    }
    if schema.get("const").is_some_and(|only| only != value) {
        return Err(format!("{value} is not {}", schema["const"]));
    }
    if schema["enum"].as_array().is_some_and(|all| !all.contains(value)) {
        return Err(format!("{value} is not in {}", schema["enum"]));
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_i64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let said = |name: &Value| *name == kind || (*name == "number" && kind == "integer");
    match &schema["type"] {
        Value::Null => {}
        Value::Array(kinds) if kinds.iter().any(said) => {}
        one if said(one) => {}
        other => return Err(format!("{value} is no {other}")),
    }
    if let Value::Array(items) = value
        && let Some(of) = schema.get("items")
    {
        items.iter().try_for_each(|item| fits(root, of, item))?;
    }
    let Value::Object(members) = value else { return Ok(()) };
    for name in schema["required"].as_array().into_iter().flatten() {
        if !members.contains_key(name.as_str().unwrap()) {
            return Err(format!("{name} is missing"));
        }
    }
    for (name, member) in members {
        match (schema["properties"].get(name), schema.get("additionalProperties")) {
            (Some(known), _) => {
                fits(root, known, member).map_err(|why| format!("{name}: {why}"))?;
            }
            (None, Some(Value::Bool(false))) => return Err(format!("{name} is unknown")),
            (None, Some(of @ Value::Object(_))) => fits(root, of, member)?,
            (None, _) => {}
        }
    }
    Ok(())
}

fn check(value: &Value) -> Result<(), String> {
    let root = schema::definition();
    fits(&root, &root, value)
}

fn examples() -> Vec<Value> {
    let blocks = GUIDE.split("```json\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    blocks
        .map(|block| serde_json::from_str(block).unwrap())
        .filter_map(|value: Value| match value {
            Value::Array(_) => Some(json!({"version": 1, "name": "Snippet", "steps": value})),
            value if value.get("version").is_some() => Some(value),
            _ => None,
        })
        .collect()
}

#[test]
fn every_example_of_the_guide_fits_as_written_and_as_stored() {
    let examples = examples();
    assert!(examples.len() > 20);
    for example in examples {
        check(&example).unwrap_or_else(|why| panic!("{why}: {example}"));
        let stored = Definition::read(&example).unwrap().to_json();
        check(&stored).unwrap_or_else(|why| panic!("{why}: {stored}"));
    }
}

#[test]
fn what_the_reader_refuses_does_not_fit() {
    let of = |step: Value| json!({"version": 1, "name": "A", "steps": [step]});
    for bad in [
        json!({"version": 2, "name": "A", "steps": []}),
        json!({"version": 1, "steps": []}),
        json!({"version": 1, "name": "A", "steps": [], "colour": 1}),
        of(json!({"id": "a", "type": "dance"})),
        of(json!({"id": "a", "type": "wait", "color": 1})),
        of(json!({"id": "a", "type": "action"})),
        of(json!({"id": "a", "type": "branch", "condition": "x", "then": [{"id": "b"}]})),
        of(json!({"id": "a", "type": "approval", "message": "?", "on_reject": "dance"})),
    ] {
        assert!(Definition::read(&bad).is_err(), "{bad}");
        assert!(check(&bad).is_err(), "{bad}");
    }
}

/// Every member that the schema names for a kind of step is one that the reader knows.
#[test]
fn the_schema_invents_no_member() {
    let root = schema::definition();
    let kinds = root["$defs"]["step"]["oneOf"].as_array().unwrap();
    let names: Vec<&str> =
        kinds.iter().map(|one| one["properties"]["type"]["const"].as_str().unwrap()).collect();
    assert_eq!(names, Kind::<Step>::TYPES);
    for kind in kinds {
        let members = kind["properties"].as_object().unwrap();
        let step: Map<String, Value> = members
            .keys()
            .map(|name| {
                let value = if name == "type" { members[name]["const"].clone() } else { json!({}) };
                (name.clone(), value)
            })
            .collect();
        let definition = json!({"version": 1, "name": "A", "steps": [step]});
        let faults = Definition::read(&definition).unwrap_err().fields;
        assert!(faults.iter().all(|fault| !fault.message.contains("unknown")), "{faults:?}");
    }
}

#[test]
fn the_file_is_what_is_published() {
    let published = serde_json::to_string_pretty(&schema::definition()).unwrap() + "\n";
    assert!(
        FILE == published,
        "docs/workflow.schema.json is stale: `connectus workflows schema` prints it"
    );
}
