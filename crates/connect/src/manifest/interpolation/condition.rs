//! Conditions of a manifest.

use connectus_core::Result;

use super::{Parameters, Scope, Template};

/// The reference's `InterpolatedBoolean`: true unless the value is one of those that are false,
/// among them the texts `False`, `false`, `0`, `0.0`, `[]`, `{}` and `()`.
#[derive(Debug)]
pub struct Condition(Kind);

#[derive(Debug)]
enum Kind {
    Always(bool),
    Text(Template),
}

impl Condition {
    /// Compiles a condition. What is empty or undefined is false.
    ///
    /// # Errors
    /// As [`Template::compile`].
    pub fn compile(text: &str, parameters: &Parameters) -> Result<Self> {
        Ok(Self(Kind::Text(Template::compile(text, parameters)?.or("False")?)))
    }

    /// One that is a plain boolean.
    pub fn always(holds: bool) -> Self {
        Self(Kind::Always(holds))
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// As [`Template::render`], but for undefined results: those are false.
    pub fn holds(&self, scope: &Scope<'_>) -> Result<bool> {
        match &self.0 {
            Kind::Always(holds) => Ok(*holds),
            Kind::Text(template) => Ok(!template.outcome(scope)?.is_false()),
        }
    }
}
