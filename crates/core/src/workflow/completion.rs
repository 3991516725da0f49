//! What can be written in an expression at a place of a workflow, for editors. The definition need
//! not compile: it is asked while somebody writes it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    Definition, Kind, Step, TriggerType, WaitFor,
    check::Reach,
    typed::{FieldType, Fields},
};
use crate::{Error, Result};

/// Names that are offered at most.
pub const MAX_NAMES: usize = 500;
/// How deep recorded values are looked into.
const MAX_DEPTH: usize = 4;
/// Members of a recorded value that are offered at most.
const MAX_MEMBERS: usize = 50;

/// Something that can be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Name {
    /// As it is written: `steps.keep.output.key`.
    pub path: String,
    /// What it holds, as far as that is known: a JSON type, or `any`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub says: Option<String>,
    /// How that is known: `always`, `declared` by a definition or an action, or `recorded` by a
    /// run.
    pub source: &'static str,
}

/// What is known of values beside the definition.
#[derive(Debug, Default)]
pub struct Known {
    /// The shape of what each action gives, as JSON Schema.
    pub actions: BTreeMap<String, Value>,
    /// What the latest run was given.
    pub input: Option<Value>,
    /// What the steps of the latest run made, by id.
    pub outputs: BTreeMap<String, Value>,
}

/// The names in reach of a step; of the definition's own output without one.
///
/// # Errors
/// `invalid` when there is no such step.
pub fn names(definition: &Definition, step: Option<&str>, known: &Known) -> Result<Vec<Name>> {
    let mut reach = Reach::default();
    let found = reach_of(&definition.steps, step.unwrap_or_default(), &mut reach);
    let reach = match (found, step) {
        (Some(found), _) => found,
        (None, None) => reach,
        (None, Some(step)) => {
            return Err(Error::invalid("step", format!("there is no step `{step}`")));
        }
    };
    let mut list = List::default();
    list.trigger(definition, known);
    list.variables(definition, &reach);
    for (name, says) in [
        ("run.started_at", "when the run began"),
        ("run.seed", "one random number of the run"),
        ("run.generation", "how often it started over"),
    ] {
        list.add(name, if name == "run.started_at" { "string" } else { "integer" }, says);
    }
    if reach.in_loop {
        list.add("item", "any", "the item of the innermost `for_each`");
        list.add("index", "integer", "its position, from 0");
        for alias in &reach.aliases {
            list.add(alias, "any", "the item of a `for_each`");
        }
    }
    for other in definition.walk().into_iter().filter(|one| reach.steps.contains(&one.id)) {
        list.step(other, known);
    }
    list.names.truncate(MAX_NAMES);
    Ok(list.names)
}

/// What is in reach at a step; `reach` becomes what is in reach behind all of them.
fn reach_of(steps: &[Step], wanted: &str, reach: &mut Reach) -> Option<Reach> {
    for step in steps {
        if step.id == wanted {
            return Some(reach.clone());
        }
        let mut gained = Vec::new();
        let handler = step.on_error.as_slice();
        for block in step.inner() {
            let mut inside = reach.clone();
            let is_handler = std::ptr::eq(block, handler);
            match &step.kind {
                _ if is_handler => {
                    inside.steps.insert(step.id.clone());
                }
                Kind::ForEach(each) => {
                    inside.in_loop = true;
                    inside.aliases.extend(each.r#as.clone());
                }
                _ => {}
            }
            let found = reach_of(block, wanted, &mut inside);
            if found.is_some() {
                return found;
            }
            // What an iteration makes stays in it.
            if is_handler || !matches!(step.kind, Kind::ForEach(_)) {
                gained.extend(inside.steps);
            }
        }
        reach.steps.extend(gained);
        reach.steps.insert(step.id.clone());
    }
    None
}

#[derive(Default)]
struct List {
    names: Vec<Name>,
}

impl List {
    fn push(&mut self, path: &str, kind: &str, says: Option<String>, source: &'static str) {
        if self.names.iter().all(|name| name.path != path) {
            let (path, kind) = (path.to_owned(), kind.to_owned());
            self.names.push(Name { path, kind, says, source });
        }
    }

    fn add(&mut self, path: &str, kind: &str, says: &str) {
        self.push(path, kind, Some(says.to_owned()), "always");
    }

    fn fields(&mut self, at: &str, fields: &Fields) {
        for (name, field) in fields {
            let kind = field.kind.name();
            self.push(&below(at, name), kind, field.description.clone(), "declared");
        }
    }

    fn trigger(&mut self, definition: &Definition, known: &Known) {
        self.add("trigger", "object", "what the run was given");
        self.fields("trigger", &definition.inputs);
        for (name, kind) in given(&definition.trigger.kind, &definition.trigger.config) {
            self.push(&format!("trigger.{name}"), kind, None, "declared");
        }
        if let Some(input) = &known.input {
            self.recorded("trigger", input, MAX_DEPTH);
        }
    }

    fn variables(&mut self, definition: &Definition, reach: &Reach) {
        for (name, value) in &definition.vars {
            self.push(&format!("vars.{name}"), kind_of(value), None, "declared");
        }
        for step in definition.walk() {
            // One that is set elsewhere exists all the same, with its first value or not at all.
            let Kind::Set(set) = &step.kind else { continue };
            for name in set.vars.keys() {
                let when = match reach.steps.contains(&step.id) {
                    true => format!("set by `{}`", step.id),
                    false => format!("set by `{}`, which may not have run here", step.id),
                };
                self.push(&format!("vars.{name}"), "any", Some(when), "declared");
            }
        }
    }

    fn step(&mut self, step: &Step, known: &Known) {
        let at = format!("steps.{}.output", step.id);
        let says = step.name.clone().or_else(|| Some(format!("what `{}` gave", step.id)));
        let schema = output_of(step, known);
        self.push(&at, schema["type"].as_str().unwrap_or("any"), says, "declared");
        self.schema(&at, &schema, MAX_DEPTH);
        if let Some(output) = known.outputs.get(&step.id) {
            self.recorded(&at, output, MAX_DEPTH);
        }
        let status = format!("steps.{}.status", step.id);
        self.add(&status, "string", "completed, failed or skipped");
        let error = format!("steps.{}.error", step.id);
        for member in ["code", "message"] {
            self.add(&format!("{error}.{member}"), "string", "why it failed");
        }
    }

    fn schema(&mut self, at: &str, schema: &Value, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else { return };
        let members = schema["properties"].as_object().into_iter().flatten();
        for (name, member) in members.take(MAX_MEMBERS) {
            let path = below(at, name);
            let kind = member["type"].as_str().unwrap_or("any");
            let says = member["description"].as_str().map(str::to_owned);
            self.push(&path, kind, says, "declared");
            self.schema(&path, member, depth);
        }
    }

    fn recorded(&mut self, at: &str, value: &Value, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else { return };
        match value {
            Value::Object(members) => {
                for (name, member) in members.iter().take(MAX_MEMBERS) {
                    let path = below(at, name);
                    self.push(&path, kind_of(member), None, "recorded");
                    self.recorded(&path, member, depth);
                }
            }
            Value::Array(items) => {
                if let Some(item) = items.first() {
                    let path = format!("{at}[0]");
                    self.push(&path, kind_of(item), None, "recorded");
                    self.recorded(&path, item, depth);
                }
            }
            _ => {}
        }
    }
}

/// A member's path as it is written.
fn below(at: &str, name: &str) -> String {
    match super::check::is_identifier(name) {
        true => format!("{at}.{name}"),
        false => format!("{at}['{}']", name.replace('\\', "\\\\").replace('\'', "\\'")),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "any",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// What a trigger gives to a run, by name and type.
fn given(kind: &TriggerType, config: &Map<String, Value>) -> Vec<(&'static str, &'static str)> {
    let text = |names: &[&'static str]| names.iter().map(|name| (*name, "string")).collect();
    match kind {
        TriggerType::Manual => Vec::new(),
        TriggerType::Webhook if config.contains_key("endpoint") => {
            let mut all: Vec<_> = text(&["event_id", "received_at"]);
            all.extend([("body", "any"), ("headers", "object"), ("query", "object")]);
            all
        }
        TriggerType::Webhook => {
            let names =
                ["event", "event_id", "object_id", "occurred_at", "provider", "integration_id"];
            let mut all: Vec<_> = text(&names);
            all.push(("body", "object"));
            all
        }
        TriggerType::Schedule => text(&["scheduled_at"]),
        TriggerType::Condition if config.get("on") == Some(&json!("all")) => {
            vec![("count", "integer"), ("fired_at", "string")]
        }
        TriggerType::Condition => {
            vec![("record", "object"), ("key", "string"), ("fired_at", "string")]
        }
        TriggerType::Event => {
            let mut all: Vec<_> = text(&["event", "event_id", "subject", "occurred_at"]);
            all.extend([("seq", "integer"), ("data", "object"), ("chain", "array")]);
            all
        }
        TriggerType::Workflow => {
            let names = ["workflow", "workflow_id", "run_id", "status", "finished_at"];
            let mut all: Vec<_> = text(&names);
            all.extend([
                ("input", "object"),
                ("output", "any"),
                ("error", "object"),
                ("chain", "array"),
            ]);
            all
        }
    }
}

/// The shape of what a step gives, as JSON Schema.
fn output_of(step: &Step, known: &Known) -> Value {
    match &step.kind {
        Kind::Action(call) => known.actions.get(&call.action).cloned().unwrap_or_default(),
        Kind::Parallel(parallel) => {
            let all = parallel.wait_for == WaitFor::All;
            let says = if all { "each branch's" } else { "those that came to their end" };
            json!({ "type": "array", "description": says })
        }
        Kind::ForEach(_) => json!({ "type": "array" }),
        Kind::Approval(_) => json!({ "type": "object", "properties": {
            "approved": { "type": "boolean" }, "comment": { "type": "string" },
            "by": { "type": "string" },
        } }),
        Kind::Set(set) => {
            let any = |name: &String| (name.clone(), json!({}));
            let members: Map<String, Value> = set.vars.keys().map(any).collect();
            json!({ "type": "object", "properties": members })
        }
        _ => json!({ "type": FieldType::Any.name() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{expr::Expr, workflow::Program};

    fn definition() -> Definition {
        let value = json!({"version": 1, "name": "t",
            "trigger": {"type": "schedule", "config": {"every": "1h"}},
            "inputs": {"size": {"type": "integer", "description": "How large"}},
            "vars": {"tier": "tin"},
            "steps": [
                {"id": "look", "type": "action", "action": "crm.get", "input": {}},
                {"id": "way", "type": "branch", "condition": "true",
                 "then": [{"id": "deep", "type": "set", "vars": {"n": 1}}],
                 "else": [{"id": "other", "type": "set", "vars": {"m": 1}}]},
                {"id": "each", "type": "for_each", "items": [1], "as": "who",
                 "steps": [{"id": "one", "type": "set", "vars": {"k": 1}},
                           {"id": "two", "type": "approval", "message": "?"}]},
                {"id": "last", "type": "set", "vars": {"z": 1},
                 "on_error": [{"id": "mend", "type": "set", "vars": {"y": 1}}]}]});
        Definition::read(&value).unwrap()
    }

    fn known() -> Known {
        let shape = json!({"type": "object", "properties": {"records": {"type": "array"}}});
        Known {
            actions: BTreeMap::from([("crm.get".to_owned(), shape)]),
            input: Some(json!({"scheduled_at": "x", "odd name": [{"a": 1}]})),
            outputs: BTreeMap::from([("look".to_owned(), json!({"records": [{"id": 7}]}))]),
        }
    }

    fn paths(step: Option<&str>) -> Vec<String> {
        let found = names(&definition(), step, &known()).unwrap();
        found.into_iter().map(|name| name.path).collect()
    }

    #[test]
    fn what_is_offered_is_what_is_in_reach() {
        let at = paths(Some("two"));
        for path in [
            "trigger.size",
            "trigger.scheduled_at",
            "trigger['odd name'][0].a",
            "steps.look.output.records[0].id",
            "steps.deep.output.n",
            "steps.one.output.k",
            "item",
            "index",
            "who",
            "vars.tier",
            "run.seed",
            "steps.way.error.code",
        ] {
            assert!(at.iter().any(|one| one == path), "no {path}: {at:#?}");
        }
        assert!(
            !at.iter().any(|one| one.starts_with("steps.two") || one.starts_with("steps.last"))
        );
        let behind = paths(Some("last"));
        assert!(!behind.iter().any(|one| one.starts_with("steps.one") || one == "item"));
        assert!(paths(Some("mend")).contains(&"steps.last.error.code".to_owned()));
        assert!(!paths(Some("deep")).iter().any(|one| one.starts_with("steps.other")));
        assert!(paths(None).contains(&"steps.mend.output.y".to_owned()));
        assert!(names(&definition(), Some("nobody"), &known()).is_err());
    }

    /// Whatever is offered at a step compiles there.
    #[test]
    fn what_is_offered_compiles() {
        for step in ["look", "deep", "two", "last", "mend"] {
            for path in paths(Some(step)) {
                Expr::compile(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
                let mut changed = definition().to_json();
                set_when(&mut changed["steps"], step, &path);
                let program = Definition::read(&changed).and_then(Program::compile);
                program.unwrap_or_else(|e| panic!("{path} at {step}: {:?}", e.fields));
            }
        }
    }

    fn set_when(value: &mut Value, step: &str, when: &str) {
        match value {
            Value::Object(members) if members.get("id") == Some(&json!(step)) => {
                members.insert("when".to_owned(), json!(when));
            }
            Value::Object(members) => {
                members.values_mut().for_each(|member| set_when(member, step, when));
            }
            Value::Array(items) => items.iter_mut().for_each(|item| set_when(item, step, when)),
            _ => {}
        }
    }

    #[test]
    fn a_name_says_where_it_is_known_from() {
        let found = names(&definition(), Some("way"), &known()).unwrap();
        let of = |path: &str| found.iter().find(|name| name.path == path).unwrap();
        assert_eq!(of("trigger.size").says.as_deref(), Some("How large"));
        assert_eq!(
            (of("trigger.size").kind.as_str(), of("trigger.size").source),
            ("integer", "declared")
        );
        assert_eq!(of("steps.look.output.records").source, "declared");
        assert_eq!(of("steps.look.output.records[0].id").source, "recorded");
        assert!(of("vars.k").says.as_deref().unwrap().contains("may not have run"));
    }
}
