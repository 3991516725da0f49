//! The list of steps. Adding one is a file with its options and one line in each list here.

use std::{borrow::Cow, sync::Arc};

use serde_json::Value;

use super::{
    cast::Cast,
    check::Check,
    date::Redate,
    hash::Hash,
    lookup::Lookup,
    redact::Redact,
    rule::Pointer,
    text::{Case, Concat, Split, Trim},
};
use crate::{error::FieldError, expr::Expr};

/// A value on its way: borrowed from the record until a step changes it.
pub(super) type Cell<'a> = Cow<'a, Value>;

/// One step of a rule.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Expression(Arc<Expr>),
    Concat(Concat),
    Split(Split),
    Trim(Trim),
    Case(Case),
    Lookup(Lookup),
    Date(Box<Redate>),
    Cast(Cast),
    Default(Value),
    Validate(Box<Check>),
    Hash(Hash),
    Redact(Redact),
}

impl Step {
    /// The member names, in the order in which the members of one object run.
    pub(super) const NAMES: [&'static str; 12] = [
        "expression",
        "concat",
        "split",
        "trim",
        "case",
        "lookup",
        "date",
        "cast",
        "default",
        "validate",
        "hash",
        "redact",
    ];

    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Expression(_) => "expression",
            Self::Concat(_) => "concat",
            Self::Split(_) => "split",
            Self::Trim(_) => "trim",
            Self::Case(_) => "case",
            Self::Lookup(_) => "lookup",
            Self::Date(_) => "date",
            Self::Cast(_) => "cast",
            Self::Default(_) => "default",
            Self::Validate(_) => "validate",
            Self::Hash(_) => "hash",
            Self::Redact(_) => "redact",
        }
    }

    /// Compiles a member; none when it says that nothing is to be done (`"trim": false`).
    pub(super) fn compile(
        name: &str,
        options: &Value,
        at: &Pointer,
    ) -> Result<Option<Self>, FieldError> {
        Ok(Some(match name {
            "expression" => Self::Expression(Arc::new(expression(options, at)?)),
            "concat" => Self::Concat(Concat::compile(options, at)?),
            "split" => Self::Split(Split::compile(options, at)?),
            "trim" => match Trim::compile(options, at)? {
                Some(trim) => Self::Trim(trim),
                None => return Ok(None),
            },
            "case" => Self::Case(Case::compile(options, at)?),
            "lookup" => Self::Lookup(Lookup::compile(options, at)?),
            "date" => Self::Date(Box::new(Redate::compile(options, at)?)),
            "cast" => Self::Cast(Cast::compile(options, at)?),
            "default" => Self::Default(options.clone()),
            "validate" => Self::Validate(Box::new(Check::compile(options, at)?)),
            "hash" => Self::Hash(Hash::compile(options, at)?),
            "redact" => Self::Redact(Redact::compile(options, at)?),
            _ => return Err(at.error("is not a rule.")),
        }))
    }

    /// Runs the step on a value of a record.
    pub(super) fn run<'a>(
        &'a self,
        value: Cell<'a>,
        record: &'a Value,
    ) -> Result<Cell<'a>, String> {
        match self {
            Self::Expression(expr) => expr
                .eval(&[("record", record), ("value", &*value)])
                .map(Cow::Owned)
                .map_err(|error| error.detail),
            Self::Concat(concat) => concat.run(value, record),
            Self::Default(default) => {
                Ok(if is_blank(&value) { Cow::Borrowed(default) } else { value })
            }
            Self::Validate(check) => check.run(&value).map(|()| value),
            Self::Cast(cast) => cast.run(value),
            // The others have nothing to do where there is nothing.
            _ if value.is_null() => Ok(value),
            Self::Split(split) => split.run(&value),
            Self::Trim(trim) => trim.run(value),
            Self::Case(case) => case.run(value),
            Self::Lookup(lookup) => lookup.run(&value),
            Self::Date(date) => date.run(&value).map(Cow::Owned),
            Self::Hash(hash) => hash.run(&value).map(Cow::Owned),
            Self::Redact(redact) => redact.run(&value).map(Cow::Owned),
        }
    }

    /// The name of the salt the step needs.
    pub(super) fn salt(&self) -> Option<&str> {
        match self {
            Self::Hash(hash) => hash.salt(),
            _ => None,
        }
    }

    /// Supplies the salt's value.
    pub(super) fn bind_salt(&mut self, value: Vec<u8>) {
        if let Self::Hash(hash) = self {
            hash.bind(value);
        }
    }
}

fn expression(options: &Value, at: &Pointer) -> Result<Expr, FieldError> {
    let source = options.as_str().ok_or_else(|| at.error("must be a text: an expression."))?;
    let expr = Expr::compile(source).map_err(|error| at.error(&error.detail))?;
    match expr.paths().iter().find(|path| !matches!(path.root(), "record" | "value")) {
        Some(path) => Err(at.error(&format!(
            "`{}` is not known here; use `record` for the source row and `value` for this field.",
            path.root()
        ))),
        None => Ok(expr),
    }
}

/// Whether there is nothing: null, or a text of white space.
pub(super) fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        _ => false,
    }
}

/// A plain value as text; none for lists, objects and null.
pub(super) fn plain_text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Bool(true) => Some(Cow::Borrowed("true")),
        Value::Bool(false) => Some(Cow::Borrowed("false")),
        // The canonical form, so that 5 and 5.0 give the same text.
        Value::Number(_) => Some(Cow::Owned(crate::canonical::text(value))),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A value for a message: short, and never a whole document.
pub(super) fn shown(value: &Value) -> String {
    const SHOWN_CHARS: usize = 40;
    match value {
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "an object".into(),
        Value::String(text) if text.chars().count() > SHOWN_CHARS => {
            format!("`{}...`", text.chars().take(SHOWN_CHARS).collect::<String>())
        }
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    }
}
