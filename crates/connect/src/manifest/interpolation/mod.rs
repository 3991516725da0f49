//! The texts of a manifest with `{{ }}` in them, evaluated exactly as the Python CDK does.
//!
//! A [`Template`] is compiled once and rendered in a [`Scope`], which lends it values: plain text
//! and plain paths never reach the interpreter, and no record is copied to be looked at. What
//! comes out is typed by the rules of the reference: the text is read as a literal of Python
//! ([`literal`]), so `True` is a boolean and `007` is text. Around templates stand what the
//! reference makes of them: a [`Condition`], a [`Mapping`], a [`Nested`] structure.
//!
//! The language is Jinja with Python's values, which is why it has an interpreter of its own: a
//! date minus a duration, a list that is appended to, a call of a method that does not exist must
//! do here what they do there. Limits bound what a text can cost.
//!
//! Dates are in [`datetime`]; cursors use the same formats.

mod checks;
mod condition;
pub mod datetime;
mod filters;
mod literal;
mod mapping;
mod methods;
mod path;
mod print;
mod program;
mod regex;
mod run;
mod scope;
mod syntax;
mod template;
mod types;
mod values;

pub use self::{
    condition::Condition,
    mapping::{Mapping, Nested},
    scope::{Parameters, Scope, SliceView, Variable},
    template::Template,
    types::Types,
};

/// Longest text of one template, in bytes.
pub const MAX_SOURCE_BYTES: usize = 64 * 1024;
/// Deepest nesting of a template, and of a value that is printed.
pub const MAX_NESTING: usize = 100;
/// Most steps of one evaluation: nodes evaluated, items visited, bytes made in sixteens.
pub const MAX_STEPS: u64 = 2_000_000;
/// Longest text one evaluation may make, in bytes.
pub const MAX_TEXT_BYTES: usize = 8 * 1024 * 1024;

#[cfg(test)]
mod tests;
