//! `$ref` within the document, followed as far as it is sensible.

use serde_json::{Map, Value, json};

/// Longest chain of references.
const MAX_CHAIN: usize = 16;
/// Deepest nesting of a schema that is written out.
const MAX_DEPTH: usize = 12;
/// Most values of a schema that is written out.
const MAX_VALUES: usize = 2_000;
/// What of a schema says nothing of what may be entered.
const LEFT_OUT: [&str; 6] =
    ["xml", "externalDocs", "example", "examples", "discriminator", "deprecated"];

/// The references of a document.
pub(super) struct References<'d>(&'d Value);

impl<'d> References<'d> {
    pub fn new(document: &'d Value) -> Self {
        Self(document)
    }

    /// What a value stands for: itself, or what it refers to.
    pub fn follow(&self, value: &'d Value) -> &'d Value {
        let mut at = value;
        for _ in 0..MAX_CHAIN {
            let Some(link) = at.get("$ref").and_then(Value::as_str) else { return at };
            let target = link.strip_prefix('#').and_then(|pointer| self.0.pointer(pointer));
            let Some(target) = target else { return &Value::Null };
            at = target;
        }
        &Value::Null
    }

    /// A schema with its references written out. What is nested too deeply, in itself perhaps,
    /// takes anything.
    pub fn schema(&self, schema: &'d Value) -> Value {
        let mut left = MAX_VALUES;
        self.written_out(schema, 0, &mut left)
    }

    fn written_out(&self, value: &'d Value, depth: usize, left: &mut usize) -> Value {
        if depth > MAX_DEPTH || *left == 0 {
            return json!({});
        }
        *left -= 1;
        let value = match value.get("$ref") {
            Some(Value::String(_)) => self.follow(value),
            _ => value,
        };
        match value {
            Value::Object(members) => {
                let mut written = Map::new();
                for (name, inner) in members {
                    let says = !LEFT_OUT.contains(&name.as_str()) && !name.starts_with("x-");
                    if says {
                        written.insert(name.clone(), self.written_out(inner, depth + 1, left));
                    }
                }
                Value::Object(written)
            }
            Value::Array(items) => {
                Value::Array(items.iter().map(|one| self.written_out(one, depth, left)).collect())
            }
            plain => plain.clone(),
        }
    }
}
