//! JSON Schema, as far as specifications of settings use it (draft 7). What does not fit is named
//! by field and reason; values are never told, they may be secrets.

use connectus_core::{Error, Result};
use serde_json::Value;

/// Deepest nesting of a schema that is followed, references included.
const MAX_DEPTH: usize = 64;
/// Most comparisons of one check.
const MAX_STEPS: u32 = 200_000;
/// Longest search for a pattern, in steps.
const MAX_SEARCH: usize = 100_000;

/// What does not fit, and where.
#[derive(Debug, PartialEq, Eq)]
struct Fault {
    path: String,
    reason: String,
}

/// Holds a value to a schema.
///
/// # Errors
/// `invalid`, naming the first field that does not fit and why.
pub fn check(schema: &Value, value: &Value, name: &str) -> Result<()> {
    let mut check = Check { root: schema, steps: 0 };
    match check.value(schema, value, name, 0) {
        Ok(()) => Ok(()),
        Err(fault) => {
            Err(Error::invalid(fault.path, fault.reason).with("failure_type", "config_error"))
        }
    }
}

struct Check<'a> {
    root: &'a Value,
    steps: u32,
}

fn fault<T>(path: &str, reason: impl Into<String>) -> Result<T, Fault> {
    Err(Fault { path: path.to_owned(), reason: reason.into() })
}

impl<'a> Check<'a> {
    fn value(
        &mut self,
        schema: &'a Value,
        value: &Value,
        path: &str,
        depth: usize,
    ) -> Result<(), Fault> {
        self.steps += 1;
        if depth > MAX_DEPTH || self.steps > MAX_STEPS {
            return fault(path, "is held to a specification that is nested too deeply");
        }
        let schema = match schema {
            Value::Bool(false) => return fault(path, "is not allowed by the specification"),
            Value::Object(schema) => schema,
            _ => return Ok(()),
        };
        if let Some(Value::String(reference)) = schema.get("$ref") {
            let Some(target) = reference.strip_prefix('#').and_then(|at| self.root.pointer(at))
            else {
                return fault(path, "is held to a specification with a reference to nothing");
            };
            return self.value(target, value, path, depth + 1);
        }
        if let Some(kind) = schema.get("type") {
            typed(kind, value, path)?;
        }
        if let Some(wanted) = schema.get("const")
            && !same(wanted, value)
        {
            return fault(path, format!("must be {wanted}"));
        }
        if let Some(Value::Array(choices)) = schema.get("enum")
            && !choices.iter().any(|choice| same(choice, value))
        {
            let shown: Vec<_> = choices.iter().take(20).map(ToString::to_string).collect();
            return fault(path, format!("must be one of {}", shown.join(", ")));
        }
        match value {
            Value::Object(_) => self.object(schema, value, path, depth)?,
            Value::Array(items) => self.list(schema, items, path, depth)?,
            Value::String(text) => texts(schema, text, path)?,
            Value::Number(number) => numbers(schema, number, path)?,
            Value::Null | Value::Bool(_) => {}
        }
        self.combined(schema, value, path, depth)
    }

    fn object(
        &mut self,
        schema: &'a serde_json::Map<String, Value>,
        value: &Value,
        path: &str,
        depth: usize,
    ) -> Result<(), Fault> {
        let Value::Object(members) = value else { return Ok(()) };
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        for name in required.filter_map(Value::as_str) {
            if !members.contains_key(name) {
                return fault(&format!("{path}.{name}"), "is required by the specification");
            }
        }
        let own = schema.get("properties").and_then(Value::as_object);
        let patterns = schema.get("patternProperties").and_then(Value::as_object);
        for (name, inner) in members {
            let at = format!("{path}.{name}");
            let mut known = false;
            if let Some(schema) = own.and_then(|own| own.get(name)) {
                known = true;
                self.value(schema, inner, &at, depth + 1)?;
            }
            for (pattern, schema) in patterns.into_iter().flatten() {
                if found(pattern, name) {
                    known = true;
                    self.value(schema, inner, &at, depth + 1)?;
                }
            }
            match schema.get("additionalProperties") {
                Some(Value::Bool(false)) if !known => {
                    return fault(&at, "is not known to the specification");
                }
                Some(more) if !known => self.value(more, inner, &at, depth + 1)?,
                _ => {}
            }
        }
        count(schema, ("minProperties", "maxProperties"), members.len(), "members", path)
    }

    fn list(
        &mut self,
        schema: &'a serde_json::Map<String, Value>,
        items: &[Value],
        path: &str,
        depth: usize,
    ) -> Result<(), Fault> {
        match schema.get("items") {
            Some(Value::Array(schemas)) => {
                for (index, (item, schema)) in items.iter().zip(schemas).enumerate() {
                    self.value(schema, item, &format!("{path}.{index}"), depth + 1)?;
                }
            }
            Some(schema) => {
                for (index, item) in items.iter().enumerate() {
                    self.value(schema, item, &format!("{path}.{index}"), depth + 1)?;
                }
            }
            None => {}
        }
        if schema.get("uniqueItems") == Some(&Value::Bool(true)) {
            let mut texts: Vec<_> = items.iter().map(ToString::to_string).collect();
            texts.sort();
            if texts.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
                return fault(path, "must not hold an item twice");
            }
        }
        count(schema, ("minItems", "maxItems"), items.len(), "items", path)
    }

    fn combined(
        &mut self,
        schema: &'a serde_json::Map<String, Value>,
        value: &Value,
        path: &str,
        depth: usize,
    ) -> Result<(), Fault> {
        let list = |name: &str| schema.get(name).and_then(Value::as_array);
        for one in list("allOf").into_iter().flatten() {
            self.value(one, value, path, depth + 1)?;
        }
        for name in ["anyOf", "oneOf"] {
            let Some(ways) = list(name) else { continue };
            let mut faults = Vec::new();
            for way in ways {
                if let Err(fault) = self.value(way, value, path, depth + 1) {
                    faults.push((fits_by_name(way, value), fault));
                }
            }
            let fitting = ways.len() - faults.len();
            if fitting == 0 {
                // The way that its fixed members name says best what is amiss.
                let named = faults.into_iter().max_by_key(|(named, _)| *named);
                let Some((named, inner)) = named else { continue };
                let reason = "fits none of the ways the specification allows";
                return if named { Err(inner) } else { fault(path, reason) };
            }
            if name == "oneOf" && fitting > 1 {
                return fault(path, "fits several ways of the specification, and must fit one");
            }
        }
        if let Some(not) = schema.get("not")
            && self.value(not, value, path, depth + 1).is_ok()
        {
            return fault(path, "is what the specification does not allow");
        }
        if let Some(when) = schema.get("if") {
            let holds = self.value(when, value, path, depth + 1).is_ok();
            if let Some(then) = schema.get(if holds { "then" } else { "else" }) {
                self.value(then, value, path, depth + 1)?;
            }
        }
        Ok(())
    }
}

/// Whether all members that a way fixes have the values it fixes, and it fixes any.
fn fits_by_name(way: &Value, value: &Value) -> bool {
    let own = way.get("properties").and_then(Value::as_object).into_iter().flatten();
    let mut fixed = own.filter_map(|(name, inner)| Some((name, inner.get("const")?))).peekable();
    fixed.peek().is_some() && fixed.all(|(name, wanted)| value.get(name) == Some(wanted))
}

/// Equal as JSON Schema has it: 1 is 1.0.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        _ => a == b,
    }
}

fn typed(kind: &Value, value: &Value, path: &str) -> Result<(), Fault> {
    let is = |kind: &str| match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => {
            value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0)
        }
        _ => true,
    };
    let kinds: Vec<&str> = match kind {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => return Ok(()),
    };
    if kinds.is_empty() || kinds.iter().any(|kind| is(kind)) {
        return Ok(());
    }
    let own = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    fault(path, format!("must be of type {}, not {own}", kinds.join(" or ")))
}

fn texts(schema: &serde_json::Map<String, Value>, text: &str, path: &str) -> Result<(), Fault> {
    let length = text.chars().count();
    count(schema, ("minLength", "maxLength"), length, "characters", path)?;
    match schema.get("pattern").and_then(Value::as_str) {
        Some(pattern) if !found(pattern, text) => fault(path, format!("must match `{pattern}`")),
        _ => Ok(()),
    }
}

/// Whether a pattern occurs in a text. One that cannot be read, or takes too long, does not keep
/// anybody out.
fn found(pattern: &str, text: &str) -> bool {
    let built = fancy_regex::RegexBuilder::new(pattern).backtrack_limit(MAX_SEARCH).build();
    built.is_ok_and(|regex| regex.is_match(text).unwrap_or(true))
}

fn numbers(
    schema: &serde_json::Map<String, Value>,
    number: &serde_json::Number,
    path: &str,
) -> Result<(), Fault> {
    let Some(number) = number.as_f64() else { return Ok(()) };
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    type Holds = fn(f64, f64) -> bool;
    let rules: [(&str, Holds, &str); 4] = [
        ("minimum", |a, b| a >= b, "at least"),
        ("maximum", |a, b| a <= b, "at most"),
        ("exclusiveMinimum", |a, b| a > b, "more than"),
        ("exclusiveMaximum", |a, b| a < b, "less than"),
    ];
    for (name, holds, words) in rules {
        if let Some(bound) = bound(name)
            && !holds(number, bound)
        {
            return fault(path, format!("must be {words} {bound}"));
        }
    }
    match bound("multipleOf") {
        Some(part) if part > 0.0 && (number / part).fract() != 0.0 => {
            fault(path, format!("must be a multiple of {part}"))
        }
        _ => Ok(()),
    }
}

fn count(
    schema: &serde_json::Map<String, Value>,
    (least, most): (&str, &str),
    count: usize,
    what: &str,
    path: &str,
) -> Result<(), Fault> {
    let bound = |name: &str| schema.get(name).and_then(Value::as_u64);
    let count = count as u64;
    if let Some(least) = bound(least).filter(|least| count < *least) {
        return fault(path, format!("must have at least {least} {what}"));
    }
    match bound(most).filter(|most| count > *most) {
        Some(most) => fault(path, format!("must have at most {most} {what}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(schema: &Value, value: &Value) -> String {
        match check(schema, value, "config") {
            Ok(()) => "fits".to_owned(),
            Err(error) => error.detail,
        }
    }

    #[test]
    fn what_does_not_fit_is_named_without_its_value() {
        let schema = json!({
            "type": "object", "required": ["token"], "additionalProperties": false,
            "properties": {
                "token": {"type": "string", "minLength": 5, "airbyte_secret": true},
                "start": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}$"},
                "size": {"type": ["null", "integer"], "minimum": 1, "maximum": 100},
                "kind": {"enum": ["a", "b"]}, "list": {"$ref": "#/definitions/list"},
                "way": {"oneOf": [
                    {"required": ["key"], "properties": {"by": {"const": "key"},
                        "key": {"type": "string"}}},
                    {"required": ["name"], "properties": {"by": {"const": "name"}}},
                ]},
            },
            "definitions": {"list": {"type": "array", "maxItems": 2, "uniqueItems": true,
                "items": {"type": "number", "exclusiveMinimum": 0}}},
        });
        for (value, part) in [
            (json!({"token": "secret-canary"}), "fits"),
            (json!({"token": "secret-canary", "size": 1.0, "kind": "b", "list": [1, 2]}), "fits"),
            (json!({"token": "secret-canary", "way": {"by": "key", "key": "x"}}), "fits"),
            (json!({}), "config.token"),
            (json!({"token": 77_777}), "must be of type string, not number"),
            (json!({"token": "cana"}), "at least 5 characters"),
            (json!({"token": "secret-canary", "start": "canary"}), "config.start"),
            (json!({"token": "secret-canary", "size": 0}), "at least 1"),
            (json!({"token": "secret-canary", "size": 1.5}), "integer"),
            (json!({"token": "secret-canary", "kind": "canary"}), "one of \"a\", \"b\""),
            (json!({"token": "secret-canary", "list": [1, 1]}), "twice"),
            (json!({"token": "secret-canary", "list": [1, 0]}), "config.list.1"),
            (json!({"token": "secret-canary", "list": [1, 2, 3]}), "at most 2 items"),
            (json!({"token": "secret-canary", "way": {"by": "key"}}), "config.way.key"),
            (json!({"token": "secret-canary", "way": {"by": "canary"}}), "none of the ways"),
            (json!({"token": "secret-canary", "other": 1}), "config.other"),
        ] {
            let said = said(&schema, &value);
            assert!(said.contains(part), "{value}: {said}");
            assert!(!said.contains("canary") && !said.contains("77777"), "{said}");
        }
    }

    #[test]
    fn a_specification_that_leads_back_to_itself_ends() {
        let schema = json!({"$ref": "#"});
        assert!(said(&schema, &json!({})).contains("too deeply"));
        let wide = json!({"allOf": [{"$ref": "#"}, {"$ref": "#"}]});
        assert!(said(&wide, &json!({})).contains("too deeply"));
    }
}
