//! `schema_normalization: Default`: values take the type their schema names, where they can.

use serde_json::{Map, Number, Value};

use crate::manifest::text::plain;

/// Deepest nesting that is looked into.
const MAX_DEPTH: usize = 32;

/// Casts the fields of a record to the types of its schema.
pub fn normalise(record: &mut Map<String, Value>, schema: &Value) {
    fields(record, schema, 0);
}

fn fields(record: &mut Map<String, Value>, schema: &Value, depth: usize) {
    for (name, inner) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        if let Some(value) = record.get_mut(name) {
            cast(value, inner);
            inside(value, inner, depth + 1);
        }
    }
}

fn inside(value: &mut Value, schema: &Value, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    match value {
        Value::Object(map) => fields(map, schema, depth),
        Value::Array(items) => {
            if let Some(inner) = schema.get("items").filter(|inner| inner.is_object()) {
                for item in items {
                    cast(item, inner);
                    inside(item, inner, depth + 1);
                }
            }
        }
        _ => {}
    }
}

/// The one type a schema names besides null.
fn wanted(schema: &Value) -> Option<(&str, bool)> {
    match schema.get("type")? {
        Value::String(kind) => Some((kind, kind.contains("null"))),
        Value::Array(kinds) => {
            let null = kinds.iter().any(|kind| kind == "null");
            let mut others = kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null");
            let one = others.next()?;
            others.next().is_none().then_some((one, null))
        }
        _ => None,
    }
}

fn cast(value: &mut Value, schema: &Value) {
    let Some((kind, nullable)) = wanted(schema) else { return };
    if value.is_null() && nullable {
        return;
    }
    let made = match (kind, &*value) {
        ("string", Value::String(_)) => None,
        ("string", Value::Object(_) | Value::Array(_)) => Some(Value::from(value.to_string())),
        ("string", other) => Some(Value::from(plain(other))),
        ("number", Value::String(text)) => text.trim().parse().ok().and_then(float),
        ("number", Value::Number(number)) => number.as_f64().and_then(float),
        ("number", Value::Bool(flag)) => float(f64::from(u8::from(*flag))),
        ("integer", Value::String(text)) => text.trim().parse::<i64>().ok().map(Value::from),
        ("integer", Value::Number(number)) if number.is_f64() =>
        {
            #[expect(clippy::cast_possible_truncation, reason = "whole digits are wanted")]
            number.as_f64().map(|number| Value::from(number.trunc() as i64))
        }
        ("integer", Value::Bool(flag)) => Some(Value::from(u8::from(*flag))),
        ("boolean", Value::String(text)) => match text.trim().to_lowercase().as_str() {
            "y" | "yes" | "t" | "true" | "on" | "1" => Some(Value::Bool(true)),
            "n" | "no" | "f" | "false" | "off" | "0" => Some(Value::Bool(false)),
            _ => None,
        },
        ("boolean", Value::Null) => Some(Value::Bool(false)),
        ("boolean", Value::Number(number)) => Some(Value::Bool(number.as_f64() != Some(0.0))),
        ("boolean", Value::Array(items)) => Some(Value::Bool(!items.is_empty())),
        ("boolean", Value::Object(members)) => Some(Value::Bool(!members.is_empty())),
        ("array", Value::String(_) | Value::Number(_) | Value::Bool(_)) if plain_items(schema) => {
            Some(Value::Array(vec![value.clone()]))
        }
        _ => None,
    };
    if let Some(made) = made {
        *value = made;
    }
}

fn float(number: f64) -> Option<Value> {
    Number::from_f64(number).map(Value::Number)
}

/// Whether the items of a list are scalars, as far as the schema says.
fn plain_items(schema: &Value) -> bool {
    let plain = |kind: &Value| {
        matches!(kind.as_str(), Some("string" | "number" | "integer" | "boolean" | "null"))
    };
    match schema.get("items").and_then(|items| items.get("type")) {
        None => true,
        Some(Value::Array(kinds)) => kinds.iter().all(plain),
        // The reference takes a single type for the set of its letters, which are no types.
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_take_the_type_of_their_schema() {
        let schema = json!({"properties": {
            "text": {"type": ["null", "string"]}, "none": {"type": ["null", "string"]},
            "count": {"type": "integer"}, "sum": {"type": "number"}, "flag": {"type": "boolean"},
            "both": {"type": ["string", "integer"]},
            "list": {"items": {"type": ["string"]}, "type": "array"},
            "deep": {"type": "object", "properties": {"n": {"type": "integer"}}},
            "rows": {"type": "array", "items": {"properties": {"n": {"type": "number"}}}},
        }});
        let mut record = json!({"text": 7, "none": null, "count": "12", "sum": "1.5", "flag": "yes",
            "both": 3, "list": "x", "deep": {"n": "4"}, "rows": [{"n": 1}], "other": "1"});
        normalise(record.as_object_mut().unwrap(), &schema);
        assert_eq!(
            record,
            json!({"text": "7", "none": null, "count": 12, "sum": 1.5, "flag": true,
            "both": 3, "list": ["x"], "deep": {"n": 4}, "rows": [{"n": 1.0}], "other": "1"})
        );
    }

    #[test]
    fn what_cannot_be_cast_stays() {
        let schema =
            json!({"properties": {"count": {"type": "integer"}, "flag": {"type": "boolean"}}});
        let mut record = json!({"count": "many", "flag": "maybe"});
        normalise(record.as_object_mut().unwrap(), &schema);
        assert_eq!(record, json!({"count": "many", "flag": "maybe"}));
    }
}
