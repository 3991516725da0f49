//! Paths into a scope, compiled once: `steps.lookup.output['first name'][0]`.

use std::fmt;

use minijinja::machinery::ast::Expr as Tree;
use serde_json::Value;

use super::Scope;
use crate::{Code, Error};

/// Most names listed when one is not found.
const MAX_NAMES_SHOWN: usize = 12;

/// One step down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// A field of an object.
    Key(Box<str>),
    /// An item of an array; negative counts from the end.
    Index(i64),
}

/// A path: a top-level name and the steps below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    root: Box<str>,
    segments: Vec<Segment>,
}

impl Path {
    /// The path an expression consists of, if it is nothing else.
    pub(super) fn of(tree: &Tree<'_>) -> Option<Self> {
        match tree {
            Tree::Var(var) => Some(Self { root: var.id.into(), segments: Vec::new() }),
            Tree::GetAttr(attr) => {
                let mut path = Self::of(&attr.expr)?;
                path.segments.push(Segment::Key(attr.name.into()));
                Some(path)
            }
            Tree::GetItem(item) => {
                let Tree::Const(constant) = &item.subscript_expr else { return None };
                let mut path = Self::of(&item.expr)?;
                path.segments.push(match constant.value.as_str() {
                    Some(key) => Segment::Key(key.into()),
                    None => Segment::Index(constant.value.as_i64()?),
                });
                Some(path)
            }
            _ => None,
        }
    }

    /// The top-level name.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// The steps below the top-level name.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The value at this path, borrowed.
    pub fn resolve<'a>(&self, scope: &'a dyn Scope) -> Option<&'a Value> {
        let (first, rest) = match self.segments.split_first() {
            Some((Segment::Key(key), rest)) => (scope.member(&self.root, key)?, rest),
            _ => (scope.get(&self.root)?, self.segments.as_slice()),
        };
        rest.iter().try_fold(first, down)
    }

    /// The error for a path that leads nowhere: where it breaks and what is there instead.
    pub(super) fn unknown(&self, scope: &dyn Scope, source: &str) -> Error {
        let detail = self.explain(scope).unwrap_or_else(|| format!("`{self}` has no value."));
        let detail =
            if self.to_string() == source { detail } else { format!("In `{source}`: {detail}") };
        Error::new(Code::Invalid, detail).with("path", self.to_string())
    }

    /// Finds the shortest beginning that leads nowhere and says what is there instead.
    fn explain(&self, scope: &dyn Scope) -> Option<String> {
        let upto = |n: usize| Self {
            root: self.root.clone(),
            segments: self.segments.iter().take(n).cloned().collect(),
        };
        let members = scope.member_names(&self.root);
        // A top-level name kept in parts has no value of its own, which is no fault.
        let first = usize::from(members.is_some());
        let broken = (first..=self.segments.len()).find(|n| upto(*n).resolve(scope).is_none())?;
        let child = upto(broken);
        let Some(above) = broken.checked_sub(1) else {
            return Some(format!("`{child}` is unknown; there is {}.", list(&scope.names())));
        };
        let parent = upto(above);
        let instead = match (parent.resolve(scope), members) {
            (Some(Value::Object(fields)), _) => {
                format!("has {}", list(&fields.keys().map(String::as_str).collect::<Vec<_>>()))
            }
            (Some(Value::Array(items)), _) => format!("is a list of {} items", items.len()),
            (Some(other), _) => format!("is {}", kind(other)),
            (None, members) => format!("has {}", list(&members.unwrap_or_default())),
        };
        Some(format!("`{child}` is unknown; `{parent}` {instead}."))
    }
}

fn down<'a>(value: &'a Value, segment: &Segment) -> Option<&'a Value> {
    match (segment, value) {
        (Segment::Key(key), Value::Object(fields)) => fields.get(&**key),
        (Segment::Index(index), Value::Array(items)) => {
            let index = match usize::try_from(*index) {
                Ok(index) => index,
                Err(_) => items.len().checked_sub(usize::try_from(index.unsigned_abs()).ok()?)?,
            };
            items.get(index)
        }
        _ => None,
    }
}

/// A JSON value's kind, in words that fit "is ...".
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn list(names: &[&str]) -> String {
    if names.is_empty() {
        return "nothing".to_owned();
    }
    let shown: Vec<String> =
        names.iter().take(MAX_NAMES_SHOWN).map(|name| format!("`{name}`")).collect();
    match names.len().checked_sub(MAX_NAMES_SHOWN) {
        Some(more @ 1..) => format!("{} and {more} more", shown.join(", ")),
        _ => shown.join(", "),
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.root)?;
        for segment in &self.segments {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) if is_name(key) => write!(f, ".{key}")?,
                Segment::Key(key) => write!(f, "['{key}']")?,
            }
        }
        Ok(())
    }
}

fn is_name(text: &str) -> bool {
    !text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
