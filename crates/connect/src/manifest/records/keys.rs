//! Transformations of the names of fields, and of an object into fields of the record.

use connectus_core::{Env, Result};
use serde_json::{Map, Value};

use super::{flat, paths};
use crate::manifest::{
    document::{Component, Node},
    interpolation::{Scope, Variable},
    request::strings,
    text::Text,
};

/// A change of names.
#[derive(Debug)]
pub enum Keys {
    /// Those at the top to lower case.
    Lower,
    /// One text by another, in nested objects, too.
    Replace(Text, Text),
    /// All of them to `snake_case`, in nested objects, too.
    Snake,
    /// Every value inside becomes a field of the record.
    Spread {
        /// Items of lists, too.
        lists: bool,
    },
    /// The members of one object become fields of the record.
    Flatten {
        /// Where it is.
        path: Vec<String>,
        /// Take it out.
        delete: bool,
        /// Keep only its members.
        replace: bool,
        /// Before each name.
        prefix: String,
        /// After each name.
        suffix: String,
    },
}

impl Keys {
    /// Reads such a transformation.
    ///
    /// # Errors
    /// `invalid` when it is another.
    pub fn compile(component: &Component, scope: &Scope<'_>) -> Result<Self> {
        Ok(match component.kind() {
            "KeysToLower" => Self::Lower,
            "KeysToSnakeCase" => Self::Snake,
            "FlattenFields" => {
                let kept = matches!(component.node("flatten_lists"), Some(Node::Bool(false)));
                Self::Spread { lists: !kept }
            }
            "KeysReplace" => {
                Self::Replace(Text::need(component, "old")?, Text::need(component, "new")?)
            }
            "DpathFlattenFields" => {
                let path = component.node("field_path").and_then(Node::as_list).unwrap_or_default();
                let around = component.component("key_transformation")?;
                let around = |name: &str| -> Result<String> {
                    let text = around.as_ref().map(|one| Text::read(one, name)).transpose()?;
                    text.flatten().map_or_else(|| Ok(String::new()), |text| text.string(scope))
                };
                Self::Flatten {
                    path: strings(component, "field_path", path, scope)?,
                    delete: component.flag("delete_origin_value"),
                    replace: component.flag("replace_record"),
                    prefix: around("prefix")?,
                    suffix: around("suffix")?,
                }
            }
            other => return Err(component.wrong("type", &format!("`{other}` is not supported"))),
        })
    }

    /// Changes a record.
    ///
    /// # Errors
    /// `invalid` when a text cannot be filled in.
    pub fn apply(&self, record: &mut Map<String, Value>, env: &Env, config: &Value) -> Result<()> {
        match self {
            Self::Lower => {
                for (name, value) in std::mem::take(record) {
                    record.insert(name.to_lowercase(), value);
                }
            }
            Self::Snake => snake_in(record),
            Self::Spread { lists } => *record = flat::spread(std::mem::take(record), *lists),
            Self::Replace(old, new) => {
                let scope = Scope::new(env, config).with_map(Variable::Record, record);
                let (old, new) = (old.string(&scope)?, new.string(&scope)?);
                replace_in(record, &old, &new);
            }
            Self::Flatten { path, delete, replace, prefix, suffix } => {
                let Some(Value::Object(found)) = paths::first(record, path) else { return Ok(()) };
                let members = found.iter();
                let members = members.map(|(n, v)| (format!("{prefix}{n}{suffix}"), v.clone()));
                let found: Map<String, Value> = members.collect();
                if *replace && !found.is_empty() {
                    *record = found;
                } else if !found.keys().any(|name| record.contains_key(name)) {
                    if *delete {
                        paths::remove(record, path);
                    }
                    record.extend(found);
                }
            }
        }
        Ok(())
    }
}

fn snake_in(record: &mut Map<String, Value>) {
    for (name, mut value) in std::mem::take(record) {
        if let Value::Object(inner) = &mut value {
            snake_in(inner);
        }
        record.insert(flat::snake(&name), value);
    }
}

fn replace_in(record: &mut Map<String, Value>, old: &str, new: &str) {
    for (name, mut value) in std::mem::take(record) {
        if let Value::Object(inner) = &mut value {
            replace_in(inner, old, new);
        }
        record.insert(name.replace(old, new), value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_becomes_fields_unless_one_is_there_already() {
        let mut record =
            json!({"a": {"x": 1, "y": {"z": 2}}, "b": 3}).as_object().cloned().unwrap();
        let keys = |delete, replace| Keys::Flatten {
            path: vec!["a".into()],
            delete,
            replace,
            prefix: "p_".into(),
            suffix: String::new(),
        };
        let env = crate::manifest::tests::env();
        keys(false, false).apply(&mut record, &env, &Value::Null).unwrap();
        assert_eq!(record["p_y"], json!({"z": 2}));
        keys(true, false).apply(&mut record, &env, &Value::Null).unwrap();
        assert!(record.contains_key("a"), "the names are taken, so nothing happens");
        keys(false, true).apply(&mut record, &env, &Value::Null).unwrap();
        assert_eq!(Value::Object(record), json!({"p_x": 1, "p_y": {"z": 2}}));
    }
}
