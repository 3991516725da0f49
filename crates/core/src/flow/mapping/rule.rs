//! Reading rules: JSON as people write it, into steps, with every mistake named by its place.

use std::fmt;

use serde_json::{Map, Value};

use super::{MAX_STEPS, step::Step};
use crate::error::FieldError;

/// A place in the request, as a JSON pointer.
#[derive(Clone, Debug)]
pub(super) struct Pointer(String);

impl Pointer {
    /// Where all rules are.
    pub(super) fn rules() -> Self {
        Self("/transformation_rules".into())
    }

    /// The place of a member.
    pub(super) fn key(&self, name: &str) -> Self {
        // A name from outside is echoed; its length is not theirs to choose.
        let shown: String = name.chars().take(100).collect();
        Self(format!("{}/{}", self.0, shown.replace('~', "~0").replace('/', "~1")))
    }

    /// The place of an item.
    pub(super) fn index(&self, index: usize) -> Self {
        Self(format!("{}/{index}", self.0))
    }

    /// What is wrong at this place.
    pub(super) fn error(&self, message: &str) -> FieldError {
        FieldError { field: self.0.clone(), message: message.into() }
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Compiles the rule of one field.
pub(super) fn steps(rule: &Value, at: &Pointer) -> Result<Vec<Step>, Vec<FieldError>> {
    let (mut steps, mut wrong) = (Vec::new(), Vec::new());
    match rule {
        Value::Object(members) => one(members, at, &mut steps, &mut wrong),
        Value::Array(rules) => {
            for (index, rule) in rules.iter().enumerate() {
                let at = at.index(index);
                match rule {
                    Value::Object(members) => one(members, &at, &mut steps, &mut wrong),
                    _ => wrong.push(at.error("must be an object such as {\"trim\": true}.")),
                }
            }
        }
        _ => wrong.push(at.error("must be an object such as {\"trim\": true}, or a list of them.")),
    }
    if steps.len() > MAX_STEPS {
        wrong.push(at.error(&format!("at most {MAX_STEPS} steps for one field.")));
    }
    if wrong.is_empty() { Ok(steps) } else { Err(wrong) }
}

/// Compiles the members of one object, in the order of [`Step::NAMES`].
fn one(
    members: &Map<String, Value>,
    at: &Pointer,
    steps: &mut Vec<Step>,
    wrong: &mut Vec<FieldError>,
) {
    for name in members.keys().filter(|name| !Step::NAMES.contains(&name.as_str())) {
        let message = format!("is not a rule; rules are: {}.", Step::NAMES.join(", "));
        wrong.push(at.key(name).error(&message));
    }
    for name in Step::NAMES {
        let Some(options) = members.get(name) else { continue };
        match Step::compile(name, options, &at.key(name)) {
            Ok(step) => steps.extend(step),
            Err(error) => wrong.push(error),
        }
    }
}

/// The members of an object that may hold only the allowed ones.
pub(super) fn members<'a>(
    options: &'a Value,
    allowed: &[&str],
    at: &Pointer,
) -> Result<&'a Map<String, Value>, FieldError> {
    let members = options
        .as_object()
        .ok_or_else(|| at.error(&format!("must be an object with: {}.", allowed.join(", "))))?;
    match members.keys().find(|name| !allowed.contains(&name.as_str())) {
        Some(name) => {
            let message = format!("is not known here; known are: {}.", allowed.join(", "));
            Err(at.key(name).error(&message))
        }
        None => Ok(members),
    }
}

/// A member that must be a text where it is given.
pub(super) fn text<'a>(
    members: &'a Map<String, Value>,
    name: &str,
    at: &Pointer,
) -> Result<Option<&'a str>, FieldError> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(at.key(name).error("must be a text.")),
    }
}

/// A member that must be true or false where it is given.
pub(super) fn flag(
    members: &Map<String, Value>,
    name: &str,
    at: &Pointer,
) -> Result<bool, FieldError> {
    match members.get(name) {
        None => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(_) => Err(at.key(name).error("must be true or false.")),
    }
}
