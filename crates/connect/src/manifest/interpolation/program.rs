//! A compiled text: constant, a plain path, or statements for the interpreter.

use std::borrow::Cow;

use serde_json::Value;

use super::{
    Parameters, Scope, Variable,
    literal::Literal,
    path::{Found, Path},
    run::Interp,
    syntax::{
        self,
        tree::{Name, Stmt},
    },
    values::{Shower, Str, Val},
};

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
    kind: Kind,
    /// What it reads that must be given.
    names: Vec<Name>,
}

#[derive(Debug)]
enum Kind {
    Text(String),
    /// One expression that is a path; the statements are for values it does not know.
    Path(Path, Vec<Stmt>),
    Statements(Vec<Stmt>),
}

impl Program {
    pub fn compile(text: &str) -> Result<Self, String> {
        let mut parsed = syntax::parse(text)?;
        let names = parsed.names.iter().map(|name| Name::new(name)).collect();
        let kind = match parsed.body.as_mut_slice() {
            [] => Kind::Text(String::new()),
            [Stmt::Text(text)] => Kind::Text(std::mem::take(text).into_string()),
            [Stmt::Print(expr)] => match Path::of(expr) {
                Some(path) => Kind::Path(path, parsed.body),
                None => Kind::Statements(parsed.body),
            },
            _ => Kind::Statements(parsed.body),
        };
        Ok(Self { kind, names })
    }

    pub fn is_constant(&self) -> bool {
        matches!(self.kind, Kind::Text(_))
    }

    pub fn reads(&self, variable: Variable) -> bool {
        self.names.iter().any(|name| name.variable == Some(variable))
    }

    pub fn run<'a>(
        &'a self,
        scope: &'a Scope<'a>,
        parameters: &'a Parameters,
    ) -> Result<Rendered<'a>, Fault> {
        let statements = match &self.kind {
            Kind::Text(text) => return Ok(Rendered::Text(Cow::Borrowed(text))),
            Kind::Path(path, statements) => {
                match path.find(scope, parameters) {
                    Found::Value(value) => return Ok(Rendered::Lent(value)),
                    Found::Missing => return Ok(Rendered::Text(Cow::Borrowed(""))),
                    Found::Undefined(what) => return Err(Fault::Undefined(what)),
                    // The interpreter knows what to make of it, and what to say.
                    Found::Unknown => statements,
                }
            }
            Kind::Statements(statements) => statements,
        };
        self.check_names(scope)?;
        let mut interp = Interp::new(scope, parameters.value());
        if let [Stmt::Print(expr)] = statements.as_slice() {
            let value = interp.eval(expr)?;
            return Ok(match (value.plain(), &value) {
                (Some(literal), _) => Rendered::Literal(literal),
                (None, Val::Str(Str::Lent(text))) => Rendered::Text(Cow::Borrowed(text)),
                (None, value) => Rendered::Text(Cow::Owned(Shower::text(value)?)),
            });
        }
        let mut out = Shower::default();
        interp.run(statements, &mut out)?;
        Ok(Rendered::Text(Cow::Owned(out.into_text())))
    }

    /// All names must be given, whether or not they come to be read.
    fn check_names(&self, scope: &Scope<'_>) -> Result<(), Fault> {
        let given = |name: &Name| {
            name.variable == Some(Variable::Parameters)
                || name.variable.is_some_and(|variable| scope.get(variable).is_some())
                || scope.extra(&name.text).is_some()
        };
        let missing: Vec<_> = self
            .names
            .iter()
            .filter(|name| !given(name))
            .map(|name| format!("`{}`", name.text))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let what = format!(
            "{} {} not given to this text; check the spelling, or where the text stands",
            missing.join(", "),
            if missing.len() == 1 { "is" } else { "are" }
        );
        Err(Fault::Failed(what))
    }
}
