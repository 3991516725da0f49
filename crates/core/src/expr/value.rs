//! Between JSON and the engine's values, counted both ways.

use std::collections::BTreeMap;

use minijinja::{Value as Jinja, value::ValueKind};
use serde_json::{Map, Number, Value};

use super::{MAX_INPUT_BYTES, MAX_RESULT_BYTES, Scope, VALUE_BYTES, reads::Node};
use crate::{Code, Error, Result};

/// Deepest result, the depth JSON readers commonly accept.
const MAX_RESULT_DEPTH: usize = 64;

/// The part of the scope an expression reads, as the engine's value.
pub(super) fn context(tree: &BTreeMap<Box<str>, Node>, scope: &dyn Scope) -> Result<Jinja> {
    let mut left = MAX_INPUT_BYTES;
    let mut roots: BTreeMap<&str, Jinja> = BTreeMap::new();
    for (name, node) in tree {
        if let Some(value) = root(name, node, scope, &mut left)? {
            roots.insert(name, value);
        }
    }
    Ok(Jinja::from(roots))
}

fn root(name: &str, node: &Node, scope: &dyn Scope, left: &mut usize) -> Result<Option<Jinja>> {
    if node.mentions > 0 {
        return part(node, scope.get(name), left);
    }
    let mut fields: BTreeMap<&str, Jinja> = BTreeMap::new();
    for (member, child) in &node.below {
        if let Some(found) = part(child, scope.member(name, member), left)? {
            fields.insert(member, found);
        }
    }
    Ok(Some(Jinja::from(fields)))
}

/// A node's share of a value. What is only walked through becomes an object even where the data
/// has none, so that `a.b.c|default('')` works when `a.b` is missing or null.
fn part(node: &Node, value: Option<&Value>, left: &mut usize) -> Result<Option<Jinja>> {
    if node.mentions > 0 {
        return value.map(|value| from_json(value, node.mentions, left)).transpose();
    }
    let mut fields: BTreeMap<&str, Jinja> = BTreeMap::new();
    for (name, child) in &node.below {
        let below = value.and_then(|value| value.get(&**name));
        if let Some(found) = part(child, below, left)? {
            fields.insert(name, found);
        }
    }
    Ok(Some(Jinja::from(fields)))
}

fn from_json(value: &Value, mentions: usize, left: &mut usize) -> Result<Jinja> {
    let text = match value {
        Value::String(text) => text.len(),
        // A name is a value of its own.
        Value::Object(fields) => fields.keys().map(|name| VALUE_BYTES + name.len()).sum(),
        _ => 0,
    };
    let weight = VALUE_BYTES + text;
    *left = left.checked_sub(weight.saturating_mul(mentions)).ok_or_else(|| {
        let detail = format!("The expression reads more than {MAX_INPUT_BYTES} bytes.");
        Error::new(Code::Invalid, detail)
    })?;
    Ok(match value {
        Value::Null => Jinja::from(()),
        Value::Bool(flag) => Jinja::from(*flag),
        Value::Number(number) => {
            if let Some(int) = number.as_i64() {
                Jinja::from(int)
            } else if let Some(int) = number.as_u64() {
                Jinja::from(int)
            } else {
                Jinja::from(number.as_f64().unwrap_or_default())
            }
        }
        Value::String(text) => Jinja::from(text.as_str()),
        Value::Array(items) => Jinja::from(
            items.iter().map(|item| from_json(item, mentions, left)).collect::<Result<Vec<_>>>()?,
        ),
        Value::Object(fields) => Jinja::from(
            fields
                .iter()
                .map(|(key, field)| Ok((key.as_str(), from_json(field, mentions, left)?)))
                .collect::<Result<BTreeMap<_, _>>>()?,
        ),
    })
}

/// The result of an expression as JSON.
pub(super) fn to_json(source: &str, value: &Jinja) -> Result<Value> {
    Output { left: MAX_RESULT_BYTES }.take(value, MAX_RESULT_DEPTH).map_err(|what| {
        Error::new(Code::Invalid, format!("`{source}` has no acceptable result: {what}."))
    })
}

struct Output {
    left: usize,
}

impl Output {
    fn take(&mut self, value: &Jinja, depth: usize) -> Result<Value, String> {
        let weight = 4 + value.as_str().map_or(0, str::len);
        self.left = self
            .left
            .checked_sub(weight)
            .ok_or_else(|| format!("it is larger than {MAX_RESULT_BYTES} bytes"))?;
        let depth = depth.checked_sub(1).ok_or("it is nested too deeply")?;
        let engine = |error: minijinja::Error| error.to_string();
        Ok(match value.kind() {
            ValueKind::None => Value::Null,
            ValueKind::Bool => Value::Bool(value.is_true()),
            ValueKind::Number => Value::Number(number(value)?),
            ValueKind::String => Value::from(value.as_str().unwrap_or_default()),
            ValueKind::Seq | ValueKind::Iterable => {
                let mut items = Vec::new();
                for item in value.try_iter().map_err(engine)? {
                    items.push(self.take(&item, depth)?);
                }
                Value::Array(items)
            }
            ValueKind::Map => {
                let mut fields = Map::new();
                for key in value.try_iter().map_err(engine)? {
                    let name = key.as_str().ok_or("the key of an object must be a string")?;
                    self.left = self.left.saturating_sub(name.len());
                    let field = value.get_item(&key).map_err(engine)?;
                    fields.insert(name.to_owned(), self.take(&field, depth)?);
                }
                Value::Object(fields)
            }
            ValueKind::Undefined => return Err("a part of it has no value".to_owned()),
            other => return Err(format!("it holds a value of type {other}")),
        })
    }
}

fn number(value: &Jinja) -> Result<Number, String> {
    if value.is_integer() {
        return i64::try_from(value.clone())
            .map(Number::from)
            .or_else(|_| u64::try_from(value.clone()).map(Number::from))
            .map_err(|_| "the number does not fit 64 bits".to_owned());
    }
    f64::try_from(value.clone())
        .ok()
        .and_then(Number::from_f64)
        .ok_or_else(|| "it is not a finite number".to_owned())
}
