//! Where in a definition something stands, and which of its texts failed.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    expr::Template,
    run::Failure,
    workflow::{Definition, Kind, Step},
};

/// Members of a step that hold other steps.
const INNER: [&str; 6] = ["then", "else", "default", "branches", "steps", "on_error"];

/// The places of all steps, as JSON pointers by id.
pub(super) fn places(definition: &Definition) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    note(&mut found, "/steps", &definition.steps);
    found
}

fn note(found: &mut BTreeMap<String, String>, at: &str, steps: &[Step]) {
    for (index, step) in steps.iter().enumerate() {
        let at = format!("{at}/{index}");
        for (below, block) in blocks(step) {
            note(found, &format!("{at}/{below}"), block);
        }
        found.insert(step.id.clone(), at);
    }
}

/// The step lists inside a step, with where they stand.
fn blocks(step: &Step) -> Vec<(String, &[Step])> {
    let mut all: Vec<(String, &[Step])> = match &step.kind {
        Kind::Branch(branch) => vec![
            ("then".to_owned(), branch.then.as_slice()),
            ("else".to_owned(), branch.r#else.as_slice()),
        ],
        Kind::Switch(switch) => {
            let cases = switch.cases.iter().enumerate();
            let cases = cases.map(|(at, case)| (format!("cases/{at}/steps"), &*case.steps));
            cases.chain([("default".to_owned(), &*switch.default)]).collect()
        }
        Kind::Parallel(parallel) => {
            let branches = parallel.branches.iter().enumerate();
            branches.map(|(at, branch)| (format!("branches/{at}"), &**branch)).collect()
        }
        Kind::ForEach(each) => vec![("steps".to_owned(), each.steps.as_slice())],
        _ => Vec::new(),
    };
    all.push(("on_error".to_owned(), &step.on_error));
    all
}

/// The text that failed, of a step or of the definition itself: errors of expressions quote their
/// source.
pub(super) fn of(definition: &Definition, step: Option<&str>, failure: &Failure) -> Option<String> {
    if failure.code != "expression" {
        return None;
    }
    let whole = definition.to_json();
    let (at, own) = match step {
        Some(step) => {
            let at = places(definition).remove(step)?;
            let mut own = whole.pointer(&at)?.clone();
            for inner in INNER {
                own.as_object_mut()?.remove(inner);
            }
            (at, own)
        }
        None => {
            let mut own = whole;
            own.as_object_mut()?.remove("steps");
            (String::new(), own)
        }
    };
    quoted(&at, &own, &failure.message)
}

fn quoted(at: &str, value: &Value, message: &str) -> Option<String> {
    match value {
        Value::String(text) => is_quoted(text, message).then(|| at.to_owned()),
        Value::Array(items) => {
            let mut all = items.iter().enumerate();
            all.find_map(|(index, item)| quoted(&format!("{at}/{index}"), item, message))
        }
        Value::Object(members) => members.iter().find_map(|(name, member)| {
            // The steps of a case are not the switch's own.
            if name == "steps" {
                return None;
            }
            let name = name.replace('~', "~0").replace('/', "~1");
            quoted(&format!("{at}/{name}"), member, message)
        }),
        _ => None,
    }
}

fn is_quoted(text: &str, message: &str) -> bool {
    let named = |source: &str| message.contains(&format!("`{source}`"));
    match Template::compile(text) {
        Ok(template) if text.contains("{{") => template.exprs().any(|expr| named(expr.source())),
        _ => named(text.trim()),
    }
}
