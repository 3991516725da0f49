//! Settings in two halves: what may be seen, and the secrets that are kept apart and sealed.
//!
//! A secret is named by its path in the settings: `credentials.client_secret`. The specification
//! says which members are secrets (`airbyte_secret`); a token that a source renews is one, too.

use connectus_core::Result;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::{Map, Value};

use super::records::paths;
use crate::{Secrets, credential::MAX_FIELDS};

/// Deepest member looked at.
const MAX_DEPTH: usize = 16;

/// A member of the settings that is a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SecretField {
    /// Where it stands: the names on the way, with dots between.
    pub path: String,
    /// What people call it.
    pub title: String,
    /// Whether it is a text; anything else is entered as JSON.
    #[serde(skip)]
    pub text: bool,
}

/// The secrets of a specification, in its order.
pub fn secret_fields(specification: &Value) -> Vec<SecretField> {
    let mut fields = Vec::new();
    walk(specification, "", 0, &mut fields);
    fields
}

fn walk(schema: &Value, path: &str, depth: usize, fields: &mut Vec<SecretField>) {
    if depth > MAX_DEPTH || fields.len() >= MAX_FIELDS {
        return;
    }
    let marked = schema.get("airbyte_secret").and_then(Value::as_bool) == Some(true);
    if marked && !path.is_empty() {
        let known = fields.iter().any(|known| known.path == path);
        if !known {
            let title = schema.get("title").and_then(Value::as_str).unwrap_or(path).to_owned();
            let text = is_text(schema.get("type"));
            fields.push(SecretField { path: path.to_owned(), title, text });
        }
        return;
    }
    for (name, inner) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let inside = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        walk(inner, &inside, depth + 1, fields);
    }
    for way in ["oneOf", "anyOf", "allOf"] {
        let ways = schema.get(way).and_then(Value::as_array).into_iter().flatten();
        ways.for_each(|inner| walk(inner, path, depth + 1, fields));
    }
    // A list that holds secrets is one.
    let mut inside = Vec::new();
    if let Some(items) = schema.get("items") {
        walk(items, "item", depth + 1, &mut inside);
    }
    if !inside.is_empty() && !path.is_empty() {
        let title = schema.get("title").and_then(Value::as_str).unwrap_or(path).to_owned();
        fields.push(SecretField { path: path.to_owned(), title, text: false });
    }
}

fn is_text(kind: Option<&Value>) -> bool {
    match kind {
        None => true,
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "string"),
        Some(kind) => kind == "string",
    }
}

fn steps(path: &str) -> Vec<String> {
    path.split('.').map(str::to_owned).collect()
}

/// The member at a path.
pub fn at<'a>(settings: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let mut names = path.split('.');
    let first = settings.get(names.next()?)?;
    names.try_fold(first, |inner, name| inner.get(name))
}

/// Settings as the source reads them: the open half with the secrets in their places.
pub fn whole(settings: &Map<String, Value>, secrets: &Secrets, fields: &[SecretField]) -> Value {
    let mut config = settings.clone();
    for name in secrets.names() {
        let Some(secret) = secrets.get(name) else { continue };
        let text = secret.expose_secret();
        let plain = fields.iter().any(|field| field.path == name && field.text);
        let value = match plain {
            true => Value::from(text),
            false => serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)),
        };
        paths::set(&mut config, &steps(name), value);
    }
    Value::Object(config)
}

/// What of changed settings has to be kept apart: the secrets, and what differs from the open half.
/// A source renews tokens and notes when they end; both belong together.
///
/// # Errors
/// `internal` when a value has no JSON form.
pub fn kept(
    settings: &Map<String, Value>,
    config: &Value,
    fields: &[SecretField],
) -> Result<Secrets> {
    let mut kept = Secrets::new();
    let mut pending = vec![(String::new(), config)];
    while let Some((path, value)) = pending.pop() {
        let field = fields.iter().find(|field| field.path == path);
        if let (Value::Object(members), None) = (value, field) {
            let inside = |name: &String| match path.is_empty() {
                true => name.clone(),
                false => format!("{path}.{name}"),
            };
            pending.extend(members.iter().map(|(name, inner)| (inside(name), inner)));
        } else if field.is_some() || at(settings, &path) != Some(value) {
            let text = match (value, field) {
                (Value::Null, _) => continue,
                (Value::String(text), Some(field)) if field.text => text.clone(),
                (value, _) => value.to_string(),
            };
            kept.set(path, SecretString::from(text));
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn specification() -> Value {
        json!({"type": "object", "properties": {
            "start_date": {"type": "string"},
            "keys": {"type": "array", "items": {"type": "string", "airbyte_secret": true}},
            "credentials": {"type": "object", "oneOf": [
                {"properties": {"auth": {"const": "oauth"},
                    "refresh_token": {"type": "string", "airbyte_secret": true, "title": "Token"},
                    "expires": {"type": "string"}}},
                {"properties": {"auth": {"const": "key"},
                    "refresh_token": {"type": "string", "airbyte_secret": true},
                    "pin": {"type": "integer", "airbyte_secret": true}}},
            ]},
        }})
    }

    fn object(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn secrets_are_found_wherever_they_are_and_once() {
        let fields = secret_fields(&specification());
        let found: Vec<_> = fields.iter().map(|f| (f.path.as_str(), f.text)).collect();
        let expected =
            [("credentials.pin", false), ("credentials.refresh_token", true), ("keys", false)];
        let mut sorted = found.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, expected);
    }

    #[test]
    fn the_halves_make_the_whole_and_what_changes_is_kept_apart() {
        let fields = secret_fields(&specification());
        let settings = object(&json!({"start_date": "2024", "credentials": {"auth": "oauth"}}));
        let mut secrets = Secrets::new();
        secrets.set("credentials.refresh_token", SecretString::from("12"));
        secrets.set("credentials.pin", SecretString::from("34"));
        secrets.set("keys", SecretString::from("[\"a\"]"));
        let mut config = whole(&settings, &secrets, &fields);
        let expected = json!({"start_date": "2024", "keys": ["a"],
            "credentials": {"auth": "oauth", "refresh_token": "12", "pin": 34}});
        assert_eq!(config, expected);
        config["credentials"]["refresh_token"] = "new".into();
        config["credentials"]["expires"] = "2025".into();
        let kept = kept(&settings, &config, &fields).unwrap();
        assert_eq!(
            kept.names(),
            ["credentials.expires", "credentials.pin", "credentials.refresh_token", "keys"]
        );
        assert_eq!(whole(&settings, &kept, &fields), config);
        assert!(!format!("{kept:?}").contains("new"));
    }
}
