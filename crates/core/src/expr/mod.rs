//! The expression language: Jinja expressions and `{{ }}` interpolation, nothing else.
//!
//! Tenants write these texts, so every one of them is treated as hostile: no statements, no calls,
//! an allow-list of filters, and limits on source, nesting, work and result. A plain path such as
//! `trigger.body.email` is compiled to its segments and never reaches the template engine.

mod analysis;
mod engine;
mod interpolate;
pub mod manual;
mod meter;
mod path;
mod reads;
mod scope;
mod template;
mod value;

use minijinja::{Expression, machinery};
use serde_json::Value;

pub(crate) use self::interpolate::weight;
pub use self::{
    engine::FILTERS,
    interpolate::{Interpolation, interpolate},
    path::{Path, Segment},
    scope::Scope,
    template::Template,
};
use crate::{Code, Error, Result};

/// Longest source of one expression, in bytes.
pub const MAX_SOURCE_BYTES: usize = 4 * 1024;
/// Deepest nesting of one expression; an operator, a filter or a bracket is one level.
pub const MAX_NESTING: usize = 64;
/// Most items of one list or map literal.
pub const MAX_LITERAL_ITEMS: usize = 100;
/// Largest result of an expression, template or interpolation, in bytes of JSON.
pub const MAX_RESULT_BYTES: usize = 1024 * 1024;
/// Most bytes one evaluation may read from its scope, each mention of a value counted. A value
/// counts [`VALUE_BYTES`] beside its text.
pub const MAX_INPUT_BYTES: usize = 2 * 1024 * 1024;
/// Most bytes the filters of one evaluation may read and write together, counted likewise.
pub const MAX_WORK_BYTES: usize = 4 * 1024 * 1024;
/// What a value counts whatever it holds: what it takes in memory, and what handling it costs.
pub const VALUE_BYTES: usize = 48;
/// Most slices (`x[1:]`) of one expression: each copies what it is taken from.
pub const MAX_SLICES: usize = 8;
/// Most expressions of one template or one interpolated structure.
pub const MAX_EXPRESSIONS: usize = 200;
/// Instructions of the template engine one evaluation may execute.
pub const MAX_FUEL: u64 = 50_000;

/// A compiled expression, written without braces: `trigger.body.email|lower`.
#[derive(Debug)]
pub struct Expr {
    source: Box<str>,
    program: Program,
}

#[derive(Debug)]
enum Program {
    Constant(Value),
    Path(Path),
    Jinja(Box<Jinja>),
}

struct Jinja {
    code: Expression<'static, 'static>,
    reads: reads::Reads,
}

impl std::fmt::Debug for Jinja {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Jinja").field(&self.reads).finish()
    }
}

impl Expr {
    /// Compiles an expression.
    ///
    /// # Errors
    /// `invalid` with the position for what is not an acceptable expression.
    pub fn compile(source: &str) -> Result<Self> {
        let source = source.trim();
        if source.is_empty() {
            return Err(Error::new(Code::Invalid, "An expression is missing here."));
        }
        if source.len() > MAX_SOURCE_BYTES {
            let detail = format!(
                "The expression has {} bytes; at most {MAX_SOURCE_BYTES} are taken.",
                source.len()
            );
            return Err(Error::new(Code::Invalid, detail));
        }
        let program = match machinery::parse_expr(source) {
            Err(error) => return Err(syntax_error(source, &error)),
            Ok(tree) => Self::plan(source, &tree)?,
        };
        Ok(Self { source: source.into(), program })
    }

    fn plan(source: &str, tree: &machinery::ast::Expr<'_>) -> Result<Program> {
        if let Some(path) = Path::of(tree) {
            return Ok(Program::Path(path));
        }
        let reads = analysis::analyse(source, tree)?;
        let code = engine::environment()
            .compile_expression_owned(source.to_owned())
            .map_err(|error| syntax_error(source, &error))?;
        let jinja = Jinja { code, reads };
        if jinja.reads.is_empty() {
            // Nothing of the scope is read, so the answer is known now; a failing constant such
            // as `1 / 0` is best refused where it is written.
            return jinja.eval(source, &Value::Null).map(Program::Constant);
        }
        Ok(Program::Jinja(Box::new(jinja)))
    }

    /// Evaluates in a scope: a JSON object, or named references (see [`Scope`]).
    ///
    /// # Errors
    /// `invalid` when a value is not there (the message names it and what is there instead), an
    /// operation does not fit its operands, or a limit is passed.
    pub fn eval(&self, scope: &dyn Scope) -> Result<Value> {
        match &self.program {
            Program::Constant(value) => Ok(value.clone()),
            Program::Path(path) => {
                path.resolve(scope).cloned().ok_or_else(|| path.unknown(scope, &self.source))
            }
            Program::Jinja(jinja) => jinja.eval(&self.source, scope),
        }
    }

    /// Evaluates as a condition, with Jinja's truth: `0`, `""`, `[]`, `{}`, `null` are false.
    ///
    /// # Errors
    /// As [`Expr::eval`].
    pub fn test(&self, scope: &dyn Scope) -> Result<bool> {
        self.eval(scope).map(|value| truthy(&value))
    }

    /// The path, when the expression is nothing but one: callers can then borrow the value.
    pub fn as_path(&self) -> Option<&Path> {
        match &self.program {
            Program::Path(path) => Some(path),
            Program::Constant(_) | Program::Jinja(_) => None,
        }
    }

    /// The paths this reads, longest static prefix each.
    pub fn paths(&self) -> Vec<&Path> {
        match &self.program {
            Program::Constant(_) => Vec::new(),
            Program::Path(path) => vec![path],
            Program::Jinja(jinja) => jinja.reads.paths().collect(),
        }
    }

    /// The source, trimmed.
    pub fn source(&self) -> &str {
        &self.source
    }
}

impl Jinja {
    fn eval(&self, source: &str, scope: &dyn Scope) -> Result<Value> {
        self.reads.check(source, scope)?;
        let context = value::context(self.reads.tree(), scope)?;
        let result = match self.code.eval(context) {
            Ok(result) => result,
            Err(error) => return Err(self.explain(source, scope, &error)),
        };
        if result.is_undefined() {
            return Err(self.reads.first_missing(source, scope).unwrap_or_else(|| {
                Error::new(Code::Invalid, format!("`{source}` has no value here; add an `else`."))
            }));
        }
        value::to_json(source, &result)
    }

    fn explain(&self, source: &str, scope: &dyn Scope, error: &minijinja::Error) -> Error {
        use minijinja::ErrorKind as Kind;
        if error.kind() == Kind::UndefinedError
            && let Some(missing) = self.reads.first_missing(source, scope)
        {
            return missing;
        }
        if error.kind() == Kind::OutOfFuel {
            let detail = format!("`{source}` takes too many steps; split the work.");
            return Error::new(Code::Invalid, detail);
        }
        let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
        Error::new(Code::Invalid, format!("`{source}` cannot be computed: {what}."))
    }
}

/// Jinja's truth of a JSON value.
pub fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
    }
}

fn syntax_error(source: &str, error: &minijinja::Error) -> Error {
    let what = error.detail().unwrap_or("it is not an expression");
    at(source, error.range().map_or(0, |range| range.start), what)
}

/// An error at a byte offset of a source.
fn at(source: &str, offset: usize, what: &str) -> Error {
    let before = source.get(..offset).unwrap_or(source);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    Error::new(Code::Invalid, format!("`{source}`, line {line}, column {column}: {what}."))
        .with("line", line)
        .with("column", column)
}

#[cfg(test)]
mod tests;
