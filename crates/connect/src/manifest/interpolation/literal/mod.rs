//! What a rendered text means: Python's literals, read as `ast.literal_eval` reads them.
//!
//! The reference passes every text it renders through that function, so `True` becomes a boolean,
//! `[1, 2]` and `1, 2` become lists, `1_0` becomes ten, and `007` stays text. What has no form in
//! JSON - sets, bytes, complex numbers, numbers beyond 64 bits - stays the text it was.

mod reader;
mod scalars;

use serde_json::{Map, Number, Value};

pub(super) use self::scalars::{escape, number};
use super::print;

/// A literal of Python that JSON can hold.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Str(String),
    List(Vec<Self>),
    Tuple(Vec<Self>),
    Dict(Vec<(Self, Self)>),
}

impl Literal {
    /// Reads a whole text, or says that it is no literal.
    pub fn parse(text: &str) -> Option<Self> {
        reader::read(text)
    }

    /// As JSON. `None` when it has no such form.
    pub fn into_json(self) -> Option<Value> {
        Some(match self {
            Self::None => Value::Null,
            Self::Bool(flag) => Value::Bool(flag),
            Self::Int(int) => Value::Number(Number::from_i128(int)?),
            Self::Float(float) => Value::Number(Number::from_f64(float)?),
            Self::Str(text) => Value::String(text),
            Self::List(items) | Self::Tuple(items) => {
                Value::Array(items.into_iter().map(Self::into_json).collect::<Option<_>>()?)
            }
            Self::Dict(pairs) => {
                let mut object = Map::new();
                for (key, value) in pairs {
                    object.insert(key.into_key()?, value.into_json()?);
                }
                Value::Object(object)
            }
        })
    }

    /// As a key of a JSON object, as `json.dumps` writes one.
    fn into_key(self) -> Option<String> {
        match self {
            Self::Str(text) => Some(text),
            Self::None => Some("null".to_owned()),
            Self::Bool(flag) => Some(flag.to_string()),
            Self::Int(int) => Some(int.to_string()),
            Self::Float(float) => Some(print::float(float)),
            Self::List(_) | Self::Tuple(_) | Self::Dict(_) => None,
        }
    }

    /// As Python's `str` prints it.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        match self {
            Self::Str(text) => out.push_str(text),
            other => other.repr(&mut out),
        }
        out
    }

    fn repr(&self, out: &mut String) {
        match self {
            Self::None => out.push_str("None"),
            Self::Bool(flag) => out.push_str(if *flag { "True" } else { "False" }),
            Self::Int(int) => out.push_str(&int.to_string()),
            Self::Float(float) => out.push_str(&print::float(*float)),
            Self::Str(text) => print::quoted(text, out),
            Self::List(items) => {
                out.push('[');
                Self::repr_all(items, out);
                out.push(']');
            }
            Self::Tuple(items) => {
                out.push('(');
                Self::repr_all(items, out);
                out.push_str(if items.len() == 1 { ",)" } else { ")" });
            }
            Self::Dict(pairs) => {
                out.push('{');
                for (position, (key, value)) in pairs.iter().enumerate() {
                    out.push_str(if position == 0 { "" } else { ", " });
                    key.repr(out);
                    out.push_str(": ");
                    value.repr(out);
                }
                out.push('}');
            }
        }
    }

    fn repr_all(items: &[Self], out: &mut String) {
        for (position, item) in items.iter().enumerate() {
            out.push_str(if position == 0 { "" } else { ", " });
            item.repr(out);
        }
    }

    /// Whether a text makes a condition false. (`set()` is not text there, but false as well.)
    pub fn text_is_false(text: &str) -> bool {
        matches!(text, "False" | "false" | "{}" | "[]" | "()" | "" | "0" | "0.0" | "set()")
    }

    /// Whether it is one of the values that make a condition false.
    pub fn is_false(&self) -> bool {
        match self {
            Self::None => true,
            Self::Bool(flag) => !flag,
            Self::Int(int) => *int == 0,
            Self::Float(float) => *float == 0.0,
            Self::Str(text) => Self::text_is_false(text),
            Self::List(items) | Self::Tuple(items) => items.is_empty(),
            Self::Dict(pairs) => pairs.is_empty(),
        }
    }
}
