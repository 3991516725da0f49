//! What a manifest does to a record before it is handed out.

use connectus_core::{Env, Result};
use serde_json::{Map, Value};

use super::{keys::Keys, paths};
use crate::manifest::{
    document::{Component, Node},
    interpolation::{Condition, Scope, Types, Variable},
    slices::Slice,
    text::{Text, condition},
};

/// One change.
#[derive(Debug)]
pub enum Transformation {
    /// Sets fields.
    Add {
        /// Path and value of each.
        fields: Vec<(Vec<String>, Text)>,
        /// Only where this holds.
        when: Option<Condition>,
    },
    /// Takes fields out.
    Remove {
        /// Their paths.
        paths: Vec<Vec<String>>,
        /// Values of which this holds instead, wherever they lie.
        when: Option<Condition>,
    },
    /// Changes names of fields.
    Keys(Keys),
}

impl Transformation {
    /// Reads a transformation.
    ///
    /// # Errors
    /// `invalid` when it cannot be read.
    pub fn compile(component: &Component, scope: &Scope<'_>) -> Result<Self> {
        match component.kind() {
            "AddFields" => {
                let fields = component.components("fields")?;
                Ok(Self::Add {
                    fields: fields.iter().map(added).collect::<Result<_>>()?,
                    when: condition(component, "condition")?,
                })
            }
            "RemoveFields" => {
                let pointers = component.node("field_pointers").and_then(Node::as_list);
                let pointers = pointers.unwrap_or_default();
                Ok(Self::Remove {
                    paths: pointers.iter().map(|path| steps(Some(path))).collect(),
                    when: condition(component, "condition")?,
                })
            }
            _ => Keys::compile(component, scope).map(Self::Keys),
        }
    }

    /// Changes a record.
    ///
    /// # Errors
    /// `invalid` when a text cannot be filled in.
    pub fn apply(
        &self,
        record: &mut Map<String, Value>,
        env: &Env,
        config: &Value,
        slice: &Slice,
    ) -> Result<()> {
        match self {
            Self::Add { fields, when } => {
                for (path, text) in fields {
                    let scope = Scope::new(env, config).with_slice(slice.view());
                    let value = text.eval(&scope.clone().with_map(Variable::Record, record))?;
                    if let Some(when) = when {
                        let at = Value::from(path.clone());
                        let scope = scope.with_map(Variable::Record, record);
                        let scope = scope.with(Variable::Value, &value).with(Variable::Path, &at);
                        if !when.holds(&scope)? {
                            continue;
                        }
                    }
                    paths::set(record, path, value);
                }
            }
            Self::Remove { paths, when: None } => {
                paths.iter().for_each(|path| paths::remove(record, path));
            }
            Self::Remove { paths, .. } if paths.is_empty() => {}
            // The reference heeds the condition alone: it takes out what meets it anywhere.
            Self::Remove { when: Some(when), .. } => {
                let mut failed = None;
                paths::remove_leaves(record, &mut |value| {
                    let scope = Scope::new(env, config).with(Variable::Property, value);
                    when.holds(&scope).unwrap_or_else(|error| {
                        failed = Some(error);
                        false
                    })
                });
                return failed.map_or(Ok(()), Err);
            }
            Self::Keys(keys) => keys.apply(record, env, config)?,
        }
        Ok(())
    }
}

fn added(component: &Component) -> Result<(Vec<String>, Text)> {
    let types = match component.text("value_type").as_deref() {
        Some("string") => Types::STR,
        Some("number") => Types::FLOAT,
        Some("integer") => Types::INT,
        Some("boolean") => Types::BOOL,
        _ => Types::ANY,
    };
    let value = Text::typed(component, "value", types)?;
    let value = value.map_or_else(|| Text::compile(component, "value", ""), Ok)?;
    let path = steps(component.node("path"));
    if path.is_empty() {
        return Err(component.wrong("path", "must name a field"));
    }
    Ok((path, value))
}

/// The steps of a path.
pub fn steps(path: Option<&Node>) -> Vec<String> {
    let steps = path.and_then(Node::as_list).unwrap_or_default();
    steps
        .iter()
        .filter_map(|step| match step {
            Node::Text(text) => Some(text.to_string()),
            Node::Number(number) => Some(number.to_string()),
            _ => None,
        })
        .collect()
}
