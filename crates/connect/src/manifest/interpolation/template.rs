//! One text of a manifest, compiled.

use std::borrow::Cow;

use connectus_core::{Code, Error, Result};
use serde_json::Value;

use super::{
    MAX_SOURCE_BYTES, Parameters, Scope, Types, Variable,
    literal::Literal,
    print,
    program::{Fault, Program, Rendered},
};

/// A text that may have expressions in it. Without further words it is the reference's
/// `InterpolatedString`: an expression of nothing but undefined names is an error.
#[derive(Debug)]
pub struct Template {
    source: Box<str>,
    program: Program,
    fallback: Fallback,
    types: Types,
    parameters: Parameters,
}

/// What stands in for an empty or undefined result.
#[derive(Debug)]
enum Fallback {
    Itself,
    Null,
    Other(Box<Template>),
}

/// What came of an evaluation.
pub(super) enum Outcome<'a> {
    Lent(&'a Value),
    Literal(Literal),
    Text(Cow<'a, str>),
}

impl Template {
    /// Compiles a text.
    ///
    /// # Errors
    /// `invalid` for what is not Jinja, for what the reference refuses (`stream_state`), and for a
    /// text that is too long or too deep; the message names the text and the place.
    pub fn compile(text: &str, parameters: &Parameters) -> Result<Self> {
        if text.contains("stream_state") {
            let what = "`stream_state` is no longer given to texts; use `stream_interval` instead";
            return Err(failure(text, what));
        }
        if text.len() > MAX_SOURCE_BYTES {
            let what = format!("it has {} bytes; at most {MAX_SOURCE_BYTES} are read", text.len());
            return Err(failure(text, &what));
        }
        let program = Program::compile(text).map_err(|what| failure(text, &what))?;
        Ok(Self {
            source: text.into(),
            program,
            fallback: Fallback::Itself,
            types: Types::ANY,
            parameters: parameters.clone(),
        })
    }

    /// Another text in place of an empty or undefined result.
    ///
    /// # Errors
    /// As [`Template::compile`].
    pub fn or(mut self, text: &str) -> Result<Self> {
        // The reference takes an empty default for none.
        self.fallback = match text {
            "" => Fallback::Itself,
            text => Fallback::Other(Box::new(
                Self::compile(text, &self.parameters)?.or_null().only(self.types),
            )),
        };
        Ok(self)
    }

    /// `null` in place of an empty or undefined result.
    #[must_use]
    pub fn or_null(mut self) -> Self {
        self.fallback = Fallback::Null;
        self
    }

    /// Keeps the text where it stands for a value of another type.
    #[must_use]
    pub fn only(mut self, types: Types) -> Self {
        self.types = types;
        if let Fallback::Other(other) = &mut self.fallback {
            other.types = types;
        }
        self
    }

    /// As the manifest writes it.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it reads nothing: its value is the same in every scope.
    pub fn is_constant(&self) -> bool {
        self.program.is_constant()
    }

    /// Whether it mentions a variable, be it in a branch that is never taken.
    pub fn reads(&self, variable: Variable) -> bool {
        self.program.reads(variable)
    }

    /// Evaluates, and types the text as a literal of Python.
    ///
    /// # Errors
    /// `invalid` when it reads a name that was not given, when nothing stands in for an undefined
    /// result, when an operation fails as it would in the reference, or a limit is passed.
    pub fn render(&self, scope: &Scope<'_>) -> Result<Value> {
        self.outcome(scope).map(Outcome::into_json)
    }

    /// Evaluates, and prints the typed value as `str` of Python does.
    ///
    /// # Errors
    /// As [`Template::render`].
    pub fn render_text(&self, scope: &Scope<'_>) -> Result<String> {
        self.outcome(scope).map(Outcome::into_text)
    }

    pub(super) fn outcome<'a>(&'a self, scope: &'a Scope<'a>) -> Result<Outcome<'a>> {
        let (fault, empty) = match self.run(scope) {
            Ok(rendered) if rendered.is_empty() => (None, Some(rendered)),
            Ok(rendered) => return Ok(rendered.typed(self.types)),
            Err(Fault::Undefined(what)) => (Some(what), None),
            Err(fault) => return Err(self.explain(&fault)),
        };
        match (&self.fallback, fault, empty) {
            (Fallback::Null, ..) => Ok(Outcome::Literal(Literal::None)),
            (Fallback::Itself, None, _) => Ok(Outcome::Text(Cow::Borrowed(""))),
            (Fallback::Itself, Some(what), _) => Err(self.explain(&Fault::Undefined(what))),
            (Fallback::Other(other), ..) => match other.run(scope) {
                Ok(rendered) => Ok(rendered.typed(self.types)),
                Err(fault) => Err(other.explain(&fault)),
            },
        }
    }

    fn run<'a>(&'a self, scope: &'a Scope<'a>) -> Result<Rendered<'a>, Fault> {
        match self.program.run(scope, &self.parameters) {
            // The reference gives the text back as it was when types do not fit.
            Err(Fault::Type(_)) => Ok(Rendered::Text(Cow::Borrowed(&self.source))),
            other => other,
        }
    }

    fn explain(&self, fault: &Fault) -> Error {
        failure(&self.source, fault.what())
    }
}

/// An error that names the text.
fn failure(source: &str, what: &str) -> Error {
    const SHOWN: usize = 300;
    let mut shown: String = source.chars().take(SHOWN).collect();
    if shown.len() < source.len() {
        shown.push_str(" ...");
    }
    Error::new(Code::Invalid, format!("`{shown}` cannot be evaluated: {what}."))
}

impl<'a> Rendered<'a> {
    fn is_empty(&self) -> bool {
        match self {
            Self::Lent(value) => value.as_str() == Some(""),
            Self::Literal(_) => false,
            Self::Text(text) => text.is_empty(),
        }
    }

    fn typed(self, types: Types) -> Outcome<'a> {
        match self {
            Self::Text(text) => of_text(text, types),
            Self::Lent(Value::String(text)) => of_text(Cow::Borrowed(text), types),
            Self::Lent(value) if types.admit_json(value) => Outcome::Lent(value),
            Self::Lent(value) => {
                let mut text = String::new();
                print::json(value, &mut text);
                Outcome::Text(Cow::Owned(text))
            }
            Self::Literal(literal) if types.admit(&literal) => Outcome::Literal(literal),
            Self::Literal(literal) => Outcome::Text(Cow::Owned(literal.to_text())),
        }
    }
}

fn of_text(text: Cow<'_, str>, types: Types) -> Outcome<'_> {
    match Literal::parse(&text) {
        Some(literal) if types.admit(&literal) => Outcome::Literal(literal),
        _ => Outcome::Text(text),
    }
}

impl Outcome<'_> {
    pub(super) fn into_json(self) -> Value {
        match self {
            Self::Lent(value) => value.clone(),
            Self::Text(text) => Value::String(text.into_owned()),
            Self::Literal(Literal::Str(text)) => Value::String(text),
            Self::Literal(literal) => {
                let text = literal.to_text();
                literal.into_json().unwrap_or(Value::String(text))
            }
        }
    }

    pub(super) fn into_text(self) -> String {
        match self {
            Self::Lent(Value::String(text)) => text.clone(),
            Self::Lent(value) => {
                let mut text = String::new();
                print::json(value, &mut text);
                text
            }
            Self::Text(text) => text.into_owned(),
            Self::Literal(literal) => literal.to_text(),
        }
    }

    /// Whether it makes a condition false.
    pub(super) fn is_false(&self) -> bool {
        match self {
            Self::Text(text) => Literal::text_is_false(text),
            Self::Literal(literal) => literal.is_false(),
            Self::Lent(value) => match value {
                Value::Null => true,
                Value::Bool(flag) => !flag,
                Value::Number(number) => number.as_f64() == Some(0.0),
                Value::String(text) => Literal::text_is_false(text),
                Value::Array(items) => items.is_empty(),
                Value::Object(fields) => fields.is_empty(),
            },
        }
    }
}
