//! `auth_credentials`: read into secrets at once. What is wrong with it is said without its values.

use connectus_connect::Secrets;
use connectus_engine::connections::CredentialChange;
use secrecy::SecretString;
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, RefOr, Schema, Type,
        schema::{AdditionalProperties, SchemaType},
    },
};

/// Secrets that a request brings. They are never shown again.
#[derive(Debug, Default)]
pub struct WriteOnly(CredentialChange);

impl WriteOnly {
    /// The fields to set; empty and null ones count as absent.
    pub fn secrets(self) -> Secrets {
        self.0.set
    }

    /// The fields to set and, where they are empty or null, to remove.
    pub fn change(self) -> CredentialChange {
        self.0
    }
}

impl<'de> Deserialize<'de> for WriteOnly {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Fields)
    }
}

const EXPECTED: &str = "must be an object of texts";

struct Fields;

/// Says "wrong type" without repeating the value, as the standard messages would.
macro_rules! refuse {
    ($($method:ident($type:ty);)*) => {
        $(fn $method<E: serde::de::Error>(self, _: $type) -> Result<Self::Value, E> {
            Err(E::custom(EXPECTED))
        })*
    };
}

impl<'de> Visitor<'de> for Fields {
    type Value = WriteOnly;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object of texts")
    }

    refuse! {
        visit_bool(bool);
        visit_i64(i64);
        visit_u64(u64);
        visit_f64(f64);
        visit_str(&str);
    }

    fn visit_unit<E>(self) -> Result<WriteOnly, E> {
        Ok(WriteOnly::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<WriteOnly, A::Error> {
        let mut change = CredentialChange::default();
        while let Some(name) = map.next_key::<String>()? {
            match map.next_value::<Field>()?.0 {
                Some(value) if !value.is_empty() => change.set.set(name, SecretString::from(value)),
                _ => change.remove.push(name),
            }
        }
        Ok(WriteOnly(change))
    }
}

/// One field: text, or null.
struct Field(Option<String>);

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => Ok(Self(Some(text))),
            serde_json::Value::Null => Ok(Self(None)),
            _ => Err(D::Error::custom("must be text")),
        }
    }
}

impl PartialSchema for WriteOnly {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(SchemaType::new(Type::String));
        ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::Object))
            .additional_properties(Some(AdditionalProperties::RefOr(text.into())))
            .description(Some("Secrets by field name. Written, sealed, and never shown again."))
            .write_only(true)
            .into()
    }
}

impl ToSchema for WriteOnly {
    fn name() -> std::borrow::Cow<'static, str> {
        "AuthCredentials".into()
    }
}

#[cfg(test)]
mod tests {
    use crate::http::body::parse;

    use super::*;

    #[test]
    fn takes_texts_and_notes_what_to_remove() {
        let read: WriteOnly = parse(br#"{"a": "1", "b": "", "c": null}"#).unwrap();
        let change = read.change();
        assert_eq!(change.set.names(), ["a"]);
        assert_eq!(change.remove, ["b", "c"]);
        assert!(parse::<WriteOnly>(b"null").unwrap().secrets().names().is_empty());
    }

    #[test]
    fn never_repeats_a_value_in_an_error() {
        for body in [
            r#""canary-1""#,
            r#"["canary-1"]"#,
            r#"{"a": ["canary-1"]}"#,
            r#"{"a": {"b": "canary-1"}}"#,
            "4111111111111111",
            r#"{"a": 4111111111111111}"#,
            "true",
        ] {
            let error = parse::<WriteOnly>(body.as_bytes()).unwrap_err();
            let said = format!("{error:?}");
            assert!(!said.contains("canary") && !said.contains("4111"), "{said}");
        }
    }
}
