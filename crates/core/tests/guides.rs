//! The examples of the guides, run. Whoever changes a rule changes its page.

#![expect(
    clippy::panic,
    reason = "all of this is test code; clippy knows it of functions marked #[test] only"
)]

use std::collections::BTreeSet;

use connectus_core::{
    Timestamp,
    delivery::{SCHEDULE, check_events},
    event::EventType,
    expr::Expr,
    flow::Mapping,
    workflow::{
        Definition, Program, TriggerType,
        legacy::LegacyWorkflow,
        trial::{How, Trial, Turn, What},
    },
};
use serde_json::{Value, json};

const DATA_FLOWS: &str = include_str!("../../../docs/guides/data-flows.md");
const WEBHOOKS: &str = include_str!("../../../docs/guides/webhooks.md");
const WORKFLOWS: &str = include_str!("../../../docs/guides/workflows.md");

/// The lines of all blocks of a language.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    page.split(&fence).skip(1).filter_map(|rest| rest.split("\n```").next()).collect()
}

/// Maps one field by the example's rule, in a record of its own or in one that holds `value`.
fn run(example: &Value) -> Result<Option<Value>, String> {
    let record = match example.get("record") {
        Some(record) => record.clone(),
        None => json!({"field": example.get("value")}),
    };
    let fields = ["field".to_owned()];
    let rules = json!({"field": example.get("rule")});
    let mapping = Mapping::compile(&fields, &fields, &rules).map_err(|error| error.detail)?;
    match mapping.apply(&record) {
        Ok(mut row) => Ok(row.remove("field")),
        Err(errors) => Err(errors.into_iter().map(|error| error.message).collect()),
    }
}

/// The examples of a page, one JSON object a line.
fn examples(page: &str) -> Vec<Value> {
    let lines = blocks(page, "jsonl").into_iter().flat_map(str::lines);
    lines.map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"))).collect()
}

/// Whether an example says what was found.
fn is_right(example: &Value, found: &Result<Option<Value>, String>) -> bool {
    match (found, example.get("gives"), example.get("refuses")) {
        (Ok(found), Some(wanted), None) => found.as_ref() == Some(wanted),
        (Err(message), None, Some(Value::String(part))) => message.contains(part),
        _ => false,
    }
}

fn wrong(examples: &[Value], run: impl Fn(&Value) -> Result<Option<Value>, String>) -> String {
    let faults = examples.iter().filter_map(|example| {
        let found = run(example);
        (!is_right(example, &found)).then(|| format!("{example}\n    found {found:?}\n"))
    });
    faults.collect()
}

#[test]
fn the_mapping_rules_do_what_the_guide_says() {
    let examples = examples(DATA_FLOWS);
    let wrong = wrong(&examples, run);
    assert!(wrong.is_empty(), "{wrong}");
    // Every rule there is has a heading and an example.
    for rule in [
        "expression",
        "concat",
        "split",
        "trim",
        "case",
        "lookup",
        "date",
        "cast",
        "default",
        "validate",
        "hash",
        "redact",
    ] {
        assert!(DATA_FLOWS.contains(&format!("\n### {rule}\n")), "no heading for {rule}");
        let shown = examples.iter().any(|example| example["rule"].get(rule).is_some());
        assert!(shown, "no example for {rule}");
    }
}

#[test]
fn the_expressions_do_what_the_guide_says() {
    let examples = examples(WORKFLOWS);
    let wrong = wrong(&examples, |example| {
        let source = example["expression"].as_str().unwrap_or_default();
        let expr = Expr::compile(source).map_err(|error| error.detail)?;
        expr.eval(&example["scope"]).map(Some).map_err(|error| error.detail)
    });
    assert!(wrong.is_empty() && examples.len() > 5, "{wrong}");
}

#[test]
fn the_workflows_of_the_guide_compile() {
    let known = ["trigger.record", "collection.upsert", "slack.post_message"];
    let mut kinds = Vec::new();
    let mut triggers = BTreeSet::new();
    for block in blocks(WORKFLOWS, "json") {
        let value: Value = serde_json::from_str(block).unwrap_or_else(|e| panic!("{block}: {e}"));
        let definition = if value.is_array() {
            Definition::read(&json!({"version": 1, "name": "Snippet", "steps": value}))
        } else if value.get("version").is_some() {
            Definition::read(&value)
        } else {
            let short: LegacyWorkflow = serde_json::from_value(value).unwrap();
            short.to_definition(&known)
        };
        let program = definition.and_then(Program::compile);
        let program = program.unwrap_or_else(|e| panic!("{block}: {e} {:?}", e.fields));
        let trigger = &program.definition().trigger;
        let watch = trigger.watch("UTC", "wf_guide");
        watch.unwrap_or_else(|e| panic!("{block}: {e} {:?}", e.fields));
        triggers.insert(trigger.kind);
        kinds.extend(program.definition().walk().into_iter().map(|step| step.kind.clone()));
    }
    let without: Vec<_> = TriggerType::ALL.iter().filter(|kind| !triggers.contains(kind)).collect();
    assert!(without.is_empty(), "no example of {without:?}");
    let shown = serde_json::to_string(&kinds).unwrap();
    for kind in connectus_core::workflow::Kind::<connectus_core::workflow::Step>::TYPES {
        assert!(shown.contains(&format!("\"type\":\"{kind}\"")), "no example of {kind}");
        assert!(WORKFLOWS.contains(&format!("\n### {kind}\n")), "no heading for {kind}");
    }
}

#[test]
fn tests_of_workflows_find_what_the_guide_says() {
    let examples = blocks(WORKFLOWS, "json test");
    assert!(examples.len() >= 2);
    for block in examples {
        let example: Value = serde_json::from_str(block).unwrap_or_else(|e| panic!("{e}: {block}"));
        let program = Definition::read(&example["workflow"]).and_then(Program::compile).unwrap();
        let mut plan = example["test"].clone();
        let step = plan.as_object_mut().unwrap().remove("step");
        plan["scope"] = step.map_or(json!("whole"), |step| json!({"step": step}));
        let plan = serde_json::from_value(plan).unwrap();
        let mut trial = Trial::begin(program, plan, Timestamp(0)).unwrap();
        while let Turn::Ask(call) = trial.turn() {
            // Whoever drives a test can evaluate this one.
            let pure = matches!(&call.what, What::Action(name, _) if name == "transform");
            let (how, output) = match pure {
                true => (How::Evaluated, call.input.clone()),
                false => (How::NotPerformed, Value::Null),
            };
            trial.answer(call, how, Ok(output));
        }
        let report = trial.report();
        let mut found = json!({"status": report.status, "steps": {}, "inputs": {}});
        for step in report.steps {
            found["steps"][&step.path] = json!(step.how);
            if let Some(input) = step.input {
                found["inputs"][&step.path] = input;
            }
        }
        assert_eq!(found, example["gives"], "{block}");
    }
}

#[test]
fn events_match_as_the_guide_says() {
    let mut patterns = 0;
    for example in examples(WEBHOOKS).iter().filter(|one| one.get("pattern").is_some()) {
        let pattern = example["pattern"].as_str().unwrap();
        let event = EventType::parse(example["event"].as_str().unwrap()).unwrap();
        assert_eq!(event.matches(pattern), example["matches"] == true, "{example}");
        assert!(check_events(&[pattern.to_owned()]).is_ok(), "{example}");
        patterns += 1;
    }
    assert!(patterns >= 5);
}

#[test]
fn deliveries_are_tried_when_the_guide_says() {
    for (number, wait) in (1..).zip(SCHEDULE) {
        assert!(WEBHOOKS.contains(&format!("\n| {number} | {wait} s |\n")), "attempt {number}");
    }
    assert!(!WEBHOOKS.contains("\n| 9 |"));
}
