//! Jinja, as Python's Jinja2 reads it: text to tokens to a tree.

mod lexer;
mod names;
mod parser;
mod statements;
pub(super) mod tree;

use self::{parser::Parser, tree::Stmt};

/// A text and the names it reads that are neither its own nor functions.
pub(super) struct Parsed {
    pub body: Vec<Stmt>,
    pub names: Vec<Box<str>>,
}

/// Parses a text.
///
/// # Errors
/// What is wrong and on which line, as the end of a sentence.
pub(super) fn parse(text: &str) -> Result<Parsed, String> {
    let mut parser = Parser::new(lexer::tokens(text)?);
    let body = parser.template()?;
    let names = names::undeclared(&body);
    Ok(Parsed { body, names })
}
