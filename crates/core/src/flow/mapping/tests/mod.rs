mod compile;
mod robust;
mod rules;

use serde_json::{Map, Value, json};

use super::*;

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

/// A mapping of one field `in` to `out` with a rule.
fn one(rule: &Value) -> Mapping {
    Mapping::compile(&names(&["in"]), &names(&["out"]), &json!({"out": rule})).unwrap()
}

/// What a rule makes of a value: the output, or the message.
fn run(rule: &Value, input: &Value) -> Result<Value, String> {
    let record = json!({"in": input});
    match one(rule).apply(&record) {
        Ok(mut row) => Ok(row.remove("out").unwrap()),
        Err(errors) => Err(errors[0].message.clone()),
    }
}

/// The place and message of the one mistake in a rule.
fn mistake(rule: &Value) -> (String, String) {
    let rules = json!({"out": rule});
    let error = Mapping::compile(&names(&["in"]), &names(&["out"]), &rules).unwrap_err();
    assert_eq!(error.code, Code::Invalid, "{rule}");
    assert_eq!(error.fields.len(), 1, "{rule}: {:?}", error.fields);
    (error.fields[0].field.clone(), error.fields[0].message.clone())
}
