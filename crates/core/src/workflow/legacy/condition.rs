//! Conditions of the flat form, as one expression.

use serde_json::{Map, Value};

use crate::error::FieldError;

/// Most conditions of one workflow.
const MAX_CONDITIONS: usize = 20;

/// Every operator: its names, and the expression with `F` for the field, `V` for the value, `K` for
/// the value's kind, and `N` for the field as a number where the value is one: many providers send
/// numbers as text.
///
/// A field that is missing is `none` here: it equals and contains nothing, and is not greater or
/// less than anything.
const OPERATORS: [(&[&str], &str); 14] = [
    (&["equals", "eq", "==", "=", "is"], "N == V"),
    (&["not_equals", "ne", "!=", "is_not"], "N != V"),
    (&["greater_than", "gt", ">"], "N is K and N > V"),
    (&["greater_or_equal", "gte", ">="], "N is K and N >= V"),
    (&["less_than", "lt", "<"], "N is K and N < V"),
    (&["less_or_equal", "lte", "<="], "N is K and N <= V"),
    (&["contains"], "F is not none and V in (F if F is iterable else F|string)"),
    (&["not_contains"], "F is none or V not in (F if F is iterable else F|string)"),
    (&["starts_with"], "F is not none and F|string is startingwith(V)"),
    (&["ends_with"], "F is not none and F|string is endingwith(V)"),
    (&["in"], "F in V"),
    (&["not_in"], "F not in V"),
    (&["exists", "is_set", "is_not_empty"], "F is not none and F != ''"),
    (&["not_exists", "is_not_set", "is_empty"], "F is none or F == ''"),
];

/// The expression that is true when all conditions hold; `None` when there are none.
pub(super) fn expression(conditions: &Value) -> Result<Option<String>, Vec<FieldError>> {
    let mut faults = Vec::new();
    let mut fault = |field: String, message: String| faults.push(FieldError { field, message });
    let mut parts = Vec::new();
    match conditions {
        Value::Null => {}
        Value::Object(fields) => {
            for (field, value) in fields {
                match one(field, "equals", Some(value)) {
                    Ok(part) => parts.push(part),
                    Err((_, message)) => fault(format!("/conditions/{field}"), message),
                }
            }
        }
        Value::Array(entries) => {
            for (index, entry) in entries.iter().enumerate() {
                match entry.as_object().ok_or_else(not_a_condition).and_then(listed) {
                    Ok(part) => parts.push(part),
                    Err((field, message)) => {
                        fault(format!("/conditions/{index}{field}"), message);
                    }
                }
            }
        }
        _ => {
            let (_, message) = not_a_condition();
            fault("/conditions".to_owned(), message);
        }
    }
    if parts.len() > MAX_CONDITIONS {
        fault("/conditions".to_owned(), format!("at most {MAX_CONDITIONS} are possible"));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok((!parts.is_empty()).then(|| parts.join(" and ")))
}

type Fault = (&'static str, String);

fn not_a_condition() -> Fault {
    ("", "must be `{field: value}` or a list of `{field, operator, value}`".to_owned())
}

fn listed(entry: &Map<String, Value>) -> Result<String, Fault> {
    let text = |key: &str| entry.get(key).and_then(Value::as_str);
    let field = text("field").ok_or(("/field", "name the field".to_owned()))?;
    one(field, text("operator").unwrap_or("equals"), entry.get("value"))
}

fn one(field: &str, operator: &str, value: Option<&Value>) -> Result<String, Fault> {
    let Some((_, form)) = OPERATORS.iter().find(|(names, _)| names.contains(&operator)) else {
        let known: Vec<&str> =
            OPERATORS.iter().filter_map(|(names, _)| names.first().copied()).collect();
        let message = format!("`{operator}` is none of {}", known.join(", "));
        return Err(("/operator", message));
    };
    let value = match value {
        Some(value) => literal(value),
        None if form.contains('V') => return Err(("/value", "name the value".to_owned())),
        None => String::new(),
    };
    if matches!(operator, "in" | "not_in") && !value.starts_with('[') {
        return Err(("/value", "must be a list".to_owned()));
    }
    if form.contains("with(") && !value.starts_with('"') {
        return Err(("/value", "must be a text".to_owned()));
    }
    let path = path(field).ok_or(("/field", format!("`{field}` is no field path")))?;
    let path = format!("({path}|default(none))");
    let is_number = value.parse::<f64>().is_ok();
    let number = if is_number {
        format!("({path}|float({path}) if {path} is string else {path})")
    } else {
        path.clone()
    };
    // One pass over the form: the field and the value may hold these letters themselves.
    let words = form.split_inclusive(|c: char| !c.is_ascii_uppercase());
    let filled: String = words
        .map(|word| match word.chars().next() {
            Some('F') => format!("{path}{}", word.get(1..).unwrap_or_default()),
            Some('K') => {
                let kind = if is_number { "number" } else { "string" };
                format!("{kind}{}", word.get(1..).unwrap_or_default())
            }
            Some('N') => format!("{number}{}", word.get(1..).unwrap_or_default()),
            Some('V') => format!("{value}{}", word.get(1..).unwrap_or_default()),
            _ => word.to_owned(),
        })
        .collect();
    Ok(format!("({filled})"))
}

/// `properties.email` as `trigger['properties']['email']`. A leading `trigger.` is accepted.
fn path(field: &str) -> Option<String> {
    let field = field.strip_prefix("trigger.").unwrap_or(field);
    let keys: Vec<&str> = field.split('.').collect();
    if keys.iter().any(|key| key.trim().is_empty()) {
        return None;
    }
    Some(format!(
        "trigger{}",
        keys.iter().map(|key| format!("[{}]", literal(&Value::from(*key)))).collect::<String>()
    ))
}

/// A JSON value as an expression.
pub(super) fn literal(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(literal).collect::<Vec<_>>().join(", "))
        }
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, field)| {
                format!("{}: {}", literal(&Value::from(key.as_str())), literal(field))
            });
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        // JSON's text, numbers and booleans are written the same in an expression.
        scalar => scalar.to_string(),
    }
}
