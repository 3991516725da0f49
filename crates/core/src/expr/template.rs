//! Texts with `{{ }}` in them.

use serde_json::Value;

use super::{Expr, MAX_EXPRESSIONS, MAX_RESULT_BYTES, Scope};
use crate::{Code, Error, Result};

/// Longest template text, in bytes.
pub const MAX_TEMPLATE_BYTES: usize = 64 * 1024;

/// A text with interpolated expressions. Statements (`{% %}`) and comments do not exist.
///
/// A text that is exactly one `{{ expression }}` yields the expression's value with its type;
/// any other text yields a string, in which `null` is nothing and structures are compact JSON.
#[derive(Debug)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Text(Box<str>),
    Expr(Expr),
}

impl Template {
    /// Compiles a text.
    ///
    /// # Errors
    /// `invalid` for an unclosed `{{`, a statement, or an expression that does not compile.
    pub fn compile(text: &str) -> Result<Self> {
        if text.len() > MAX_TEMPLATE_BYTES {
            let detail =
                format!("The text has {} bytes; at most {MAX_TEMPLATE_BYTES}.", text.len());
            return Err(Error::new(Code::Invalid, detail));
        }
        let mut parts = Vec::new();
        let mut expressions = 0;
        let mut rest = text;
        loop {
            let (plain, inside) = match rest.split_once("{{") {
                Some((plain, inside)) => (plain, Some(inside)),
                None => (rest, None),
            };
            refuse_statements(plain)?;
            if !plain.is_empty() {
                parts.push(Part::Text(plain.into()));
            }
            let Some(inside) = inside else { return Ok(Self { parts }) };
            let Some((source, after)) = split_at_close(inside) else {
                let start: String = inside.chars().take(40).collect();
                let detail = format!("`{{{{{start}` is never closed; end it with `}}}}`.");
                return Err(Error::new(Code::Invalid, detail));
            };
            expressions += 1;
            if expressions > MAX_EXPRESSIONS {
                let detail = format!("The text has more than {MAX_EXPRESSIONS} expressions.");
                return Err(Error::new(Code::Invalid, detail));
            }
            parts.push(Part::Expr(Expr::compile(source)?));
            rest = after;
        }
    }

    /// Whether a text holds anything to interpolate or refuse.
    pub(super) fn is_plain(text: &str) -> bool {
        !text.contains("{{") && !text.contains("{%") && !text.contains("{#")
    }

    /// The expressions in the text, in order.
    pub fn exprs(&self) -> impl Iterator<Item = &Expr> {
        self.parts.iter().filter_map(|part| match part {
            Part::Expr(expr) => Some(expr),
            Part::Text(_) => None,
        })
    }

    /// Fills in the text.
    ///
    /// # Errors
    /// As [`Expr::eval`], and `invalid` when the result is larger than [`MAX_RESULT_BYTES`].
    pub fn render(&self, scope: &dyn Scope) -> Result<Value> {
        if let [Part::Expr(only)] = self.parts.as_slice() {
            return only.eval(scope);
        }
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Expr(expr) => match expr.eval(scope)? {
                    Value::Null => {}
                    Value::String(text) => out.push_str(&text),
                    other => out.push_str(&other.to_string()),
                },
            }
            if out.len() > MAX_RESULT_BYTES {
                let detail = format!("The text grows larger than {MAX_RESULT_BYTES} bytes.");
                return Err(Error::new(Code::Invalid, detail));
            }
        }
        Ok(Value::String(out))
    }
}

fn refuse_statements(plain: &str) -> Result<()> {
    for (mark, name) in [("{%", "Statements"), ("{#", "Comments")] {
        if plain.contains(mark) {
            let detail = format!(
                "{name} (`{mark}`) are not available, only `{{{{ expressions }}}}`; for the \
                 characters themselves write `{{{{ '{mark}' }}}}`."
            );
            return Err(Error::new(Code::Invalid, detail));
        }
    }
    Ok(())
}

/// Splits after `{{` at the `}}` that closes it: not inside quotes, not closing a map literal.
fn split_at_close(text: &str) -> Option<(&str, &str)> {
    let bytes = text.as_bytes();
    let (mut at, mut braces, mut quote) = (0, 0_usize, None);
    while let Some(&byte) = bytes.get(at) {
        match (quote, byte) {
            (Some(_), b'\\') => at += 1,
            (Some(open), _) if open == byte => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'{') => braces += 1,
            (None, b'}') if braces > 0 => braces -= 1,
            (None, b'}') if bytes.get(at + 1) == Some(&b'}') => {
                return Some((text.get(..at)?, text.get(at + 2..)?));
            }
            (None, _) => {}
        }
        at += 1;
    }
    None
}
