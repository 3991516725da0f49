//! The settings of a source: brought to the form the manifest wants, and held to what it says.

mod check;

use connectus_core::{Env, Error, Result};
use serde_json::{Map, Value};

pub use check::check;

use super::{
    document::{Component, Document, Node},
    interpolation::{Condition, Mapping, Scope, Types, Variable},
    records::paths,
    source::specification,
    text::{Text, condition, plain},
};

/// Settings as a source reads them.
pub struct Prepared {
    /// What texts read.
    pub config: Value,
    /// What is to be kept, where the form has changed.
    pub kept: Option<Value>,
}

/// Migrates settings, checks them, and adds what the manifest derives from them.
///
/// # Errors
/// `invalid`, naming the field that does not fit and why; never its value.
pub fn prepared(document: &Document, config: Value, env: &Env) -> Result<Prepared> {
    let Value::Object(mut config) = config else {
        return Err(Error::invalid("config", "must be an object"));
    };
    let before = config.clone();
    let rules = match document.root.component("spec")? {
        Some(spec) => spec.component("config_normalization_rules")?,
        None => None,
    };
    let changes = |name: &str| match &rules {
        Some(rules) => rules.components(name),
        None => Ok(Vec::new()),
    };
    for migration in changes("config_migrations")? {
        for change in migration.components("transformations")? {
            apply(&change, &mut config, env)?;
        }
    }
    let kept = (config != before).then(|| Value::Object(config.clone()));
    let mut checked = Value::Object(config);
    check(&specification(document), &checked, "config")?;
    if let Value::Object(config) = &mut checked {
        for change in changes("transformations")? {
            apply(&change, config, env)?;
        }
    }
    for validation in changes("validations")? {
        validate(&validation, &checked, env)?;
    }
    Ok(Prepared { config: checked, kept })
}

fn apply(change: &Component, config: &mut Map<String, Value>, env: &Env) -> Result<()> {
    match change.kind() {
        "ConfigAddFields" => {
            let when = condition(change, "condition")?;
            for field in change.components("fields")? {
                add(&field, when.as_ref(), config, env)?;
            }
        }
        "ConfigRemoveFields" => {
            let own = Value::Object(config.clone());
            let when = condition(change, "condition")?;
            if when.map_or(Ok(true), |when| when.holds(&Scope::new(env, &own)))? {
                let pointers = change.node("field_pointers").and_then(Node::as_list);
                for pointer in pointers.unwrap_or_default() {
                    paths::remove(config, &steps(Some(pointer)));
                }
            }
        }
        "ConfigRemapField" => remap(change, config, env)?,
        other => return Err(change.wrong("type", &format!("`{other}` is not supported"))),
    }
    Ok(())
}

fn add(
    field: &Component,
    when: Option<&Condition>,
    config: &mut Map<String, Value>,
    env: &Env,
) -> Result<()> {
    let types = match field.text("value_type").as_deref() {
        Some("string") => Types::STR,
        Some("number") => Types::FLOAT,
        Some("integer") => Types::INT,
        Some("boolean") => Types::BOOL,
        _ => Types::ANY,
    };
    let own = Value::Object(config.clone());
    let scope = Scope::new(env, &own);
    let value = match Text::typed(field, "value", types)? {
        Some(text) => text.eval(&scope)?,
        None => Value::String(String::new()),
    };
    let path = steps(field.node("path"));
    let at = Value::from(path.clone());
    if let Some(when) = when {
        let scope = scope.with(Variable::Value, &value).with(Variable::Path, &at);
        if !when.holds(&scope)? {
            return Ok(());
        }
    }
    paths::set(config, &path, value);
    Ok(())
}

fn remap(change: &Component, config: &mut Map<String, Value>, env: &Env) -> Result<()> {
    let own = Value::Object(config.clone());
    let scope = Scope::new(env, &own);
    let path = change.node("field_path").and_then(Node::as_list).unwrap_or_default();
    let path = super::request::strings(change, "field_path", path, &scope)?;
    let Some(Value::Object(map)) = change.node("map").map(Node::to_value) else {
        return Err(change.wrong("map", "must be an object"));
    };
    let map = Mapping::compile(&map, change.parameters().given());
    let map = map.map_err(|error| change.wrong("map", &error.detail))?.render(&scope)?;
    let found = paths::first(config, &path).map(plain);
    if let Some(value) = found.and_then(|found| map.get(&found)) {
        paths::set(config, &path, value.clone());
    }
    Ok(())
}

fn validate(validation: &Component, config: &Value, env: &Env) -> Result<()> {
    let strategy = validation.component("validation_strategy")?;
    let schema = strategy.as_ref().and_then(|strategy| strategy.node("base_schema"));
    let schema = schema.map(Node::to_value).unwrap_or_default();
    let held = |value: &Value, name: &str| match value {
        // A text may be JSON written down.
        Value::String(text) if schema.get("type").is_some_and(|kind| kind != "string") => {
            let read = serde_json::from_str(text)
                .map_err(|_| Error::invalid(name.to_owned(), "must be JSON"))?;
            check(&schema, &read, name)
        }
        value => check(&schema, value, name),
    };
    match validation.kind() {
        "DpathValidator" => {
            let path = steps(validation.node("field_path"));
            let Value::Object(members) = config else { return Ok(()) };
            match paths::first(members, &path) {
                Some(value) => held(value, &format!("config.{}", path.join("."))),
                None => Ok(()),
            }
        }
        "PredicateValidator" => {
            let value = match Text::read(validation, "value")? {
                Some(text) => text.eval(&Scope::new(env, config))?,
                None => Value::Null,
            };
            held(&value, "config")
        }
        other => Err(validation.wrong("type", &format!("`{other}` is not supported"))),
    }
}

fn steps(path: Option<&Node>) -> Vec<String> {
    let steps = path.and_then(Node::as_list).unwrap_or_default();
    steps.iter().map(|step| plain(&step.to_value())).collect()
}
