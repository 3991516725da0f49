//! The secrets of one source, so that whatever is told can be cleaned of them.

use std::sync::{Mutex, PoisonError};

use connectus_core::Error;
use secrecy::SecretString;
use serde_json::Value;

use crate::{Secrets, redact};

/// Most secrets remembered. A source renews its token a few times an hour.
const MAX_SECRETS: usize = 1_000;

/// Secrets that must not be told.
#[derive(Debug, Default)]
pub struct SecretBook(Mutex<Secrets>);

impl SecretBook {
    /// Those of the settings which the specification marks, by `airbyte_secret`.
    pub fn of(specification: &Value, config: &Value) -> Self {
        let book = Self::default();
        book.mark(specification, config);
        book
    }

    fn mark(&self, schema: &Value, value: &Value) {
        if schema.get("airbyte_secret").and_then(Value::as_bool) == Some(true) {
            self.note_all(value);
        }
        for (name, inner) in
            schema.get("properties").and_then(Value::as_object).into_iter().flatten()
        {
            if let Some(value) = value.get(name) {
                self.mark(inner, value);
            }
        }
        for way in ["oneOf", "anyOf", "allOf"] {
            let ways = schema.get(way).and_then(Value::as_array).into_iter().flatten();
            ways.for_each(|inner| self.mark(inner, value));
        }
        if let (Some(inner), Value::Array(items)) = (schema.get("items"), value) {
            items.iter().for_each(|item| self.mark(inner, item));
        }
    }

    fn note_all(&self, value: &Value) {
        match value {
            Value::String(text) => self.note(text),
            Value::Number(number) => self.note(&number.to_string()),
            Value::Array(items) => items.iter().for_each(|item| self.note_all(item)),
            Value::Object(members) => members.values().for_each(|item| self.note_all(item)),
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// Remembers one more.
    pub fn note(&self, secret: &str) {
        use secrecy::ExposeSecret;
        let mut secrets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let names = secrets.names();
        let known = |name: &&str| secrets.get(name).is_some_and(|s| s.expose_secret() == secret);
        if secret.is_empty() || names.iter().any(known) || names.len() >= MAX_SECRETS {
            return;
        }
        let name = format!("{:04}", names.len());
        secrets.set(name, SecretString::from(secret));
    }

    /// A text without them.
    pub fn clean(&self, text: &str) -> String {
        redact::text(text, &self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// An error without them.
    pub fn clean_error(&self, error: Error) -> Error {
        redact::error(error, &self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn finds_what_the_specification_marks_wherever_it_is() {
        let specification = json!({"type": "object", "properties": {
            "name": {"type": "string"},
            "credentials": {"oneOf": [
                {"properties": {"token": {"airbyte_secret": true}}},
                {"properties": {"keys": {"items": {"airbyte_secret": true}}}},
            ]},
        }});
        let config = json!({"name": "plain-name", "credentials": {
            "token": "token-canary", "keys": ["first-canary", "second-canary"]}});
        let book = SecretBook::of(&specification, &config);
        let told = book.clean("plain-name token-canary first-canary second-canary");
        assert_eq!(told, "plain-name [redacted] [redacted] [redacted]");
    }
}
