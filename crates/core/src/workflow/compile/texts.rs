//! Compiling the texts of a step: expressions, templates, structures.

use serde_json::Value;

use super::Compiler;
use crate::{
    expr::{Expr, Interpolation, Template},
    workflow::check::{self, Reach},
};

impl Compiler {
    /// An expression; `{{ }}` around it is accepted, since people write it out of habit.
    pub(super) fn expr(&mut self, at: &str, source: &str, reach: &Reach) -> Option<Expr> {
        let source = source.trim();
        let source =
            source.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")).unwrap_or(source);
        match Expr::compile(source) {
            Ok(expr) => {
                self.references(at, [&expr], reach);
                Some(expr)
            }
            Err(error) => {
                self.fault(at, error.detail);
                None
            }
        }
    }

    pub(super) fn template(&mut self, at: &str, text: &str, reach: &Reach) -> Option<Template> {
        match Template::compile(text) {
            Ok(template) => {
                self.references(at, template.exprs(), reach);
                Some(template)
            }
            Err(error) => {
                self.fault(at, error.detail);
                None
            }
        }
    }

    pub(super) fn structure(
        &mut self,
        at: &str,
        value: &Value,
        reach: &Reach,
    ) -> Option<Interpolation> {
        match Interpolation::compile(value) {
            Ok(structure) => {
                self.references(at, structure.exprs(), reach);
                Some(structure)
            }
            Err(error) => {
                for fault in error.fields {
                    self.fault(format!("{at}{}", fault.field), fault.message);
                }
                None
            }
        }
    }

    fn references<'e>(
        &mut self,
        at: &str,
        exprs: impl IntoIterator<Item = &'e Expr>,
        reach: &Reach,
    ) {
        for expr in exprs {
            if let Some(message) = check::reference_fault(expr, reach, &self.known) {
                self.fault(at, message);
            }
        }
    }
}
