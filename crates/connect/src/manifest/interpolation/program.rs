//! A compiled text: constant, a plain path, or statements for the interpreter.

use std::borrow::Cow;

use serde_json::Value;

use super::{Parameters, Scope, literal::Literal};

/// Why an evaluation did not end in a value, each kind as the reference treats it.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// Something undefined was used; the fallback stands in.
    Undefined(String),
    /// Types do not fit; the reference gives the text back unevaluated.
    Type(String),
    /// Anything else, and limits.
    Failed(String),
}

impl Fault {
    pub fn what(&self) -> &str {
        match self {
            Self::Undefined(what) | Self::Type(what) | Self::Failed(what) => what,
        }
    }
}

/// What a text rendered to, before it is typed. A value lent or a literal stands for its print.
#[derive(Debug)]
pub(super) enum Rendered<'a> {
    Lent(&'a Value),
    Literal(Literal),
    Text(Cow<'a, str>),
}

#[derive(Debug)]
pub(super) struct Program {
    text: String,
}

impl Program {
    pub fn compile(text: &str) -> Result<Self, String> {
        if ["{{", "{%", "{#"].iter().any(|mark| text.contains(mark)) {
            return Err("expressions are not evaluated yet".to_owned());
        }
        Ok(Self { text: text.to_owned() })
    }

    pub fn is_constant(&self) -> bool {
        true
    }

    pub fn run<'a>(
        &'a self,
        _scope: &'a Scope<'a>,
        _parameters: &'a Parameters,
    ) -> Result<Rendered<'a>, Fault> {
        Ok(Rendered::Text(Cow::Borrowed(&self.text)))
    }
}
