//! The published specifications: found, and made strict where their form makes Prism lenient.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use super::short;
use crate::command::{Outcome, root};

/// Names the folder that holds the specifications.
const VARIABLE: &str = "CONNECTUS_SPECS";
const HUBSPOT: &str = "hubspot/hubspot.openapi3.json";
const SLACK: &str = "slack/slack_web.openapi2.json";

/// What is said when they are absent. They are not ours to redistribute here.
pub const SKIPPED: &str = "SKIPPED: contract: no provider specifications found; \
     set CONNECTUS_SPECS to a folder with hubspot/hubspot.openapi3.json and \
     slack/slack_web.openapi2.json";

/// The specifications as Prism gets them.
pub struct Prepared {
    /// HubSpot, unchanged.
    pub hubspot: PathBuf,
    /// Slack's answers with `ok: true`.
    pub slack_success: PathBuf,
    /// Slack's answers with `ok: false`.
    pub slack_refusal: PathBuf,
}

/// The folder with the specifications, if there is one.
pub fn find() -> Outcome<Option<PathBuf>> {
    let is_complete =
        |folder: &PathBuf| folder.join(HUBSPOT).is_file() && folder.join(SLACK).is_file();
    if let Some(named) = env::var_os(VARIABLE).map(PathBuf::from) {
        // Whoever names a folder wants the check: leaving it out would be a surprise.
        return if is_complete(&named) {
            Ok(Some(named))
        } else {
            Err(format!("{VARIABLE}={} holds no {HUBSPOT} and {SLACK}", short(&named)))
        };
    }
    let beside = root().parent().map(|parent| parent.join("shared/specs"));
    Ok(beside.filter(is_complete))
}

/// Writes what Prism reads into `into`.
pub fn prepare(specs: &Path, into: &Path) -> Outcome<Prepared> {
    fs::create_dir_all(into).map_err(|error| format!("cannot create {}: {error}", short(into)))?;
    let hubspot = read(&specs.join(HUBSPOT))?;
    let mut slack = read(&specs.join(SLACK))?;
    sharpen(&mut slack);
    let prepared = Prepared {
        hubspot: into.join("hubspot.json"),
        slack_success: into.join("slack-success.json"),
        slack_refusal: into.join("slack-refusal.json"),
    };
    write(&prepared.hubspot, &hubspot)?;
    write(&prepared.slack_success, &slack)?;
    expect_refusals(&mut slack);
    write(&prepared.slack_refusal, &slack)?;
    Ok(prepared)
}

/// Slack's specification writes "one of these" as a list under `items` without a type, which by
/// the letter of JSON Schema allows anything. The first alternative is always the plain one:
/// a public channel, a workspace member, a value instead of null. The sandbox has only those.
fn sharpen(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(sharpen),
        Value::Object(members) => {
            let alternatives = members.get("items").and_then(Value::as_array);
            let first = alternatives.and_then(|all| all.iter().find(|one| !is_null(one))).cloned();
            if let Some(first) = first.filter(|_| !members.contains_key("type")) {
                *value = first;
                return sharpen(value);
            }
            members.values_mut().for_each(sharpen);
        }
        _ => {}
    }
}

fn is_null(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("null")
}

/// Slack refuses with status 200, which the specification lists under `default`: for an exchange
/// that expects a refusal, the answer to 200 is the one listed there.
fn expect_refusals(spec: &mut Value) {
    let paths = spec.get_mut("paths").and_then(Value::as_object_mut);
    let operations = paths.into_iter().flat_map(|paths| paths.values_mut());
    for operation in operations.filter_map(Value::as_object_mut).flat_map(Map::values_mut) {
        if let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut)
            && let Some(refusal) = responses.get("default").cloned()
        {
            responses.insert("200".into(), refusal);
        }
    }
}

fn read(path: &Path) -> Outcome<Value> {
    let failed = |error: &dyn std::fmt::Display| format!("cannot read {}: {error}", short(path));
    let text = fs::read_to_string(path).map_err(|error| failed(&error))?;
    serde_json::from_str(&text).map_err(|error| failed(&error))
}

fn write(path: &Path, spec: &Value) -> Outcome {
    fs::write(path, spec.to_string())
        .map_err(|error| format!("cannot write {}: {error}", short(path)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn alternatives_become_the_plain_one_and_real_lists_stay() {
        let mut spec = json!({
            "channel": {"items": [{"type": "null"}, {"type": "object", "required": ["id"]}]},
            "nested": {"items": [{"items": [{"type": "string"}, {"type": "null"}]}]},
            "list": {"type": "array", "items": {"type": "string"}},
        });
        sharpen(&mut spec);
        assert_eq!(spec["channel"], json!({"type": "object", "required": ["id"]}));
        assert_eq!(spec["nested"], json!({"type": "string"}));
        assert_eq!(spec["list"], json!({"type": "array", "items": {"type": "string"}}));
    }

    #[test]
    fn a_refusal_is_expected_under_200() {
        let mut spec = json!({"paths": {"/a": {"get": {"responses": {
            "200": {"schema": 1}, "default": {"schema": 2},
        }}}}});
        expect_refusals(&mut spec);
        assert_eq!(spec["paths"]["/a"]["get"]["responses"]["200"]["schema"], 2);
    }
}
