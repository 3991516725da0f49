//! Mappings and nested structures of a manifest.

use connectus_core::{Code, Error, Result};
use serde_json::{Map, Value};

use super::{Parameters, Scope, Template, Types, print, template::Outcome};

/// The reference's `InterpolatedMapping`: keys and values are texts; other values stay as they are.
#[derive(Debug)]
pub struct Mapping {
    entries: Vec<(Template, Entry)>,
}

#[derive(Debug)]
enum Entry {
    Text(Template),
    Constant(Value),
}

impl Mapping {
    /// Compiles a mapping. Keys are texts, and stay texts whatever they look like.
    ///
    /// # Errors
    /// As [`Template::compile`].
    pub fn compile(mapping: &Map<String, Value>, parameters: &Parameters) -> Result<Self> {
        let entries = mapping.iter().map(|(name, value)| {
            let name = Template::compile(name, parameters)?.or_null().only(Types::STR);
            let value = match value {
                Value::String(text) => Entry::Text(Template::compile(text, parameters)?.or_null()),
                other => Entry::Constant(other.clone()),
            };
            Ok((name, value))
        });
        Ok(Self { entries: entries.collect::<Result<_>>()? })
    }

    /// Which types keys may have; [`Types::STR`] if this is not said.
    #[must_use]
    pub fn keys(mut self, types: Types) -> Self {
        let typed = |(name, value): (Template, Entry)| (name.only(types), value);
        self.entries = self.entries.into_iter().map(typed).collect();
        self
    }

    /// Which types values may have; any if this is not said.
    #[must_use]
    pub fn values(mut self, types: Types) -> Self {
        let typed = |(name, value)| match value {
            Entry::Text(text) => (name, Entry::Text(text.only(types))),
            constant @ Entry::Constant(_) => (name, constant),
        };
        self.entries = self.entries.into_iter().map(typed).collect();
        self
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Evaluates keys and values. A value that is empty or undefined is `null`.
    ///
    /// # Errors
    /// As [`Template::render`].
    pub fn render(&self, scope: &Scope<'_>) -> Result<Map<String, Value>> {
        let mut rendered = Map::new();
        for (name, value) in &self.entries {
            let value = match value {
                Entry::Text(text) => text.render(scope)?,
                Entry::Constant(value) => value.clone(),
            };
            rendered.insert(key(name, scope)?, value);
        }
        Ok(rendered)
    }

    /// The same without what is `null`, as requests want it.
    ///
    /// # Errors
    /// As [`Template::render`].
    pub fn render_present(&self, scope: &Scope<'_>) -> Result<Map<String, Value>> {
        let mut rendered = self.render(scope)?;
        rendered.retain(|_, value| !value.is_null());
        Ok(rendered)
    }
}

/// The reference's `InterpolatedNestedMapping`: texts at any depth, keys among them. Of a mapping
/// what is `null` is left out; of a list it stays.
#[derive(Debug)]
pub struct Nested(Node);

#[derive(Debug)]
enum Node {
    Text(Template),
    Object(Vec<(Template, Self)>),
    List(Vec<Self>),
    Constant(Value),
}

impl Nested {
    /// Compiles a structure.
    ///
    /// # Errors
    /// As [`Template::compile`].
    pub fn compile(structure: &Value, parameters: &Parameters) -> Result<Self> {
        Node::compile(structure, parameters).map(Self)
    }

    /// Evaluates all its texts.
    ///
    /// # Errors
    /// As [`Template::render`]; also when a key comes out as a list or a mapping.
    pub fn render(&self, scope: &Scope<'_>) -> Result<Value> {
        self.0.render(scope)
    }
}

impl Node {
    fn compile(structure: &Value, parameters: &Parameters) -> Result<Self> {
        Ok(match structure {
            Value::String(text) => Self::Text(Template::compile(text, parameters)?.or_null()),
            Value::Array(items) => {
                let nodes = items.iter().map(|item| Self::compile(item, parameters));
                Self::List(nodes.collect::<Result<_>>()?)
            }
            Value::Object(fields) => {
                let nodes = fields.iter().map(|(name, field)| {
                    let name = Template::compile(name, parameters)?.or_null();
                    Ok((name, Self::compile(field, parameters)?))
                });
                Self::Object(nodes.collect::<Result<_>>()?)
            }
            other => Self::Constant(other.clone()),
        })
    }

    fn render(&self, scope: &Scope<'_>) -> Result<Value> {
        Ok(match self {
            Self::Text(text) => text.render(scope)?,
            Self::Constant(value) => value.clone(),
            Self::List(nodes) => {
                let items = nodes.iter().map(|node| node.render(scope));
                Value::Array(items.collect::<Result<_>>()?)
            }
            Self::Object(nodes) => {
                let mut fields = Map::new();
                for (name, node) in nodes {
                    fields.insert(key(name, scope)?, node.render(scope)?);
                }
                fields.retain(|_, field| !field.is_null());
                Value::Object(fields)
            }
        })
    }
}

/// A key as `json.dumps` writes it.
fn key(name: &Template, scope: &Scope<'_>) -> Result<String> {
    let rendered = match name.outcome(scope)? {
        Outcome::Text(text) => return Ok(text.into_owned()),
        other => other.into_json(),
    };
    Ok(match rendered {
        Value::String(text) => text,
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => {
            let mut text = String::new();
            print::number(&number, &mut text);
            text
        }
        Value::Array(_) | Value::Object(_) => {
            let detail = format!(
                "`{}` names a key, and comes out as a list or a mapping; make it a text.",
                name.source()
            );
            return Err(Error::new(Code::Invalid, detail));
        }
    })
}
