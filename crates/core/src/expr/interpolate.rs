//! Templates inside JSON: every string of a structure is one.

use serde_json::{Map, Value};

use super::{Expr, MAX_EXPRESSIONS, MAX_RESULT_BYTES, Scope, Template};
use crate::{Code, Error, Result, error::FieldError};

/// Deepest structure accepted.
const MAX_DEPTH: usize = 64;

/// A JSON value whose strings are compiled templates. Keys are taken as they are.
#[derive(Debug)]
pub struct Interpolation {
    root: Node,
}

#[derive(Debug)]
enum Node {
    /// Holds nothing to fill in anywhere below.
    Fixed(Value),
    Template(Template),
    Array(Vec<Node>),
    Object(Vec<(String, Node)>),
}

/// Fills in a structure once. Compile an [`Interpolation`] to do it often.
///
/// # Errors
/// As [`Interpolation::compile`] and [`Interpolation::render`].
pub fn interpolate(value: &Value, scope: &dyn Scope) -> Result<Value> {
    Interpolation::compile(value)?.render(scope)
}

impl Interpolation {
    /// Compiles every string of a structure.
    ///
    /// # Errors
    /// `invalid` listing every string that does not compile, by JSON pointer.
    pub fn compile(value: &Value) -> Result<Self> {
        let mut faults = Vec::new();
        let root = compile(value, &mut String::new(), MAX_DEPTH, &mut faults);
        let compiled = Self { root };
        if compiled.exprs().len() > MAX_EXPRESSIONS {
            let message = format!("has more than {MAX_EXPRESSIONS} expressions");
            faults.push(FieldError { field: String::new(), message });
        }
        if faults.is_empty() { Ok(compiled) } else { Err(Error::invalid_fields(faults)) }
    }

    /// Fills in the structure.
    ///
    /// # Errors
    /// As [`Template::render`]; the first failing string in document order decides.
    pub fn render(&self, scope: &dyn Scope) -> Result<Value> {
        let mut left = MAX_RESULT_BYTES;
        self.root.render(scope, &mut left)
    }

    /// All expressions of the structure, in document order.
    pub fn exprs(&self) -> Vec<&Expr> {
        let mut found = Vec::new();
        self.root.collect(&mut found);
        found
    }
}

fn compile(value: &Value, at: &mut String, depth: usize, faults: &mut Vec<FieldError>) -> Node {
    let mut fault = |message: String| faults.push(FieldError { field: at.clone(), message });
    let Some(depth) = depth.checked_sub(1) else {
        fault(format!("is nested deeper than {MAX_DEPTH} levels"));
        return Node::Fixed(Value::Null);
    };
    match value {
        Value::String(text) if !Template::is_plain(text) => match Template::compile(text) {
            Ok(template) => Node::Template(template),
            Err(error) => {
                fault(error.detail);
                Node::Fixed(Value::Null)
            }
        },
        Value::Array(items) => {
            let nodes = items.iter().enumerate().map(|(index, item)| {
                step(at, &index.to_string(), |at| compile(item, at, depth, faults))
            });
            let nodes: Vec<Node> = nodes.collect();
            fixed_if(nodes.iter(), value).unwrap_or(Node::Array(nodes))
        }
        Value::Object(fields) => {
            let nodes = fields.iter().map(|(key, field)| {
                let name = key.replace('~', "~0").replace('/', "~1");
                (key.clone(), step(at, &name, |at| compile(field, at, depth, faults)))
            });
            let nodes: Vec<(String, Node)> = nodes.collect();
            fixed_if(nodes.iter().map(|(_, node)| node), value).unwrap_or(Node::Object(nodes))
        }
        other => Node::Fixed(other.clone()),
    }
}

/// Runs `inner` with one more pointer segment.
fn step<T>(at: &mut String, segment: &str, inner: impl FnOnce(&mut String) -> T) -> T {
    let length = at.len();
    at.push('/');
    at.push_str(segment);
    let result = inner(at);
    at.truncate(length);
    result
}

fn fixed_if<'a>(mut nodes: impl Iterator<Item = &'a Node>, value: &Value) -> Option<Node> {
    nodes.all(|node| matches!(node, Node::Fixed(_))).then(|| Node::Fixed(value.clone()))
}

impl Node {
    fn render(&self, scope: &dyn Scope, left: &mut usize) -> Result<Value> {
        Ok(match self {
            Self::Fixed(value) => value.clone(),
            Self::Template(template) => {
                let value = template.render(scope)?;
                *left = left.checked_sub(weight(&value)).ok_or_else(|| {
                    let detail = format!("The result is larger than {MAX_RESULT_BYTES} bytes.");
                    Error::new(Code::Invalid, detail)
                })?;
                value
            }
            Self::Array(nodes) => Value::Array(
                nodes.iter().map(|node| node.render(scope, left)).collect::<Result<_>>()?,
            ),
            Self::Object(nodes) => Value::Object(
                nodes
                    .iter()
                    .map(|(key, node)| Ok((key.clone(), node.render(scope, left)?)))
                    .collect::<Result<Map<_, _>>>()?,
            ),
        })
    }

    fn collect<'a>(&'a self, found: &mut Vec<&'a Expr>) {
        match self {
            Self::Fixed(_) => {}
            Self::Template(template) => found.extend(template.exprs()),
            Self::Array(nodes) => nodes.iter().for_each(|node| node.collect(found)),
            Self::Object(nodes) => nodes.iter().for_each(|(_, node)| node.collect(found)),
        }
    }
}

/// Roughly the bytes of a value's JSON, without writing it.
pub(crate) fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 4,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => 2 + items.iter().map(|item| 1 + weight(item)).sum::<usize>(),
        Value::Object(fields) => {
            2 + fields.iter().map(|(key, field)| 4 + key.len() + weight(field)).sum::<usize>()
        }
    }
}
