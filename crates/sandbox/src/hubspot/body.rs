//! Request parts, refused in HubSpot's shape when they do not fit.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::request::Parts,
};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{
    object::{ObjectType, Values},
    refusal::Refusal,
};

/// A JSON body.
pub(crate) struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let content_type = request.headers().get("content-type").and_then(|v| v.to_str().ok());
        if !content_type.is_some_and(|value| value.starts_with("application/json")) {
            return Err(Refusal::new(415, "VALIDATION_ERROR", "Send application/json."));
        }
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|_| Refusal::new(413, "VALIDATION_ERROR", "The body is too large."))?;
        let body = serde_json::from_slice(&bytes).map_err(|error| {
            Refusal::validation(format!("Invalid input JSON on line {}: {error}", error.line()))
        })?;
        Ok(Self(body))
    }
}

/// The object type a path names.
pub(crate) struct OfType(pub ObjectType);

impl<S: Send + Sync> FromRequestParts<S> for OfType {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path = Path::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let segment = path.ok().and_then(|Path(pairs)| pairs.into_iter().next());
        let segment = segment.map(|(_, value)| value).unwrap_or_default();
        ObjectType::parse(&segment).map(Self).ok_or_else(|| {
            Refusal::validation(format!("Unable to infer object type from: {segment}"))
        })
    }
}

/// The last variable of a path: a record id or a property name.
pub(crate) struct Named(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path = Path::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let segment = path.ok().and_then(|Path(pairs)| pairs.into_iter().last());
        segment.map(|(_, value)| Self(value)).ok_or_else(|| Refusal::validation("No name in path"))
    }
}

/// Query parameters, repeated names kept.
pub(crate) struct Params(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let Query(pairs) = Query::<Vec<(String, String)>>::from_request_parts(parts, state)
            .await
            .map_err(|error| Refusal::validation(error.body_text()))?;
        Ok(Self(pairs))
    }
}

impl Params {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }

    /// A list: repeated, or separated by commas.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        self.0
            .iter()
            .filter(|(known, _)| known == name)
            .flat_map(|(_, value)| value.split(','))
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// A page size from 1 to `max`; 10 when absent, as HubSpot has it.
    pub(crate) fn limit(&self, max: usize) -> Result<usize, Refusal> {
        let Some(text) = self.get("limit") else { return Ok(10) };
        match text.parse() {
            Ok(limit) if (1..=max).contains(&limit) => Ok(limit),
            Ok(_) => Err(Refusal::validation(format!("limit must be between 1 and {max}"))),
            Err(_) => Err(Refusal::validation(format!("limit is not a number: {text}"))),
        }
    }
}

/// Property values of a write: scalars become text, null becomes empty, which clears.
pub(crate) fn values<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Values, D::Error> {
    let given = Map::<String, Value>::deserialize(deserializer)?;
    given
        .into_iter()
        .map(|(name, value)| match value {
            Value::Null => Ok((name, String::new())),
            Value::String(text) => Ok((name, text)),
            Value::Bool(_) | Value::Number(_) => Ok((name, value.to_string())),
            Value::Array(_) | Value::Object(_) => {
                Err(serde::de::Error::custom(format!("property {name} must be a string")))
            }
        })
        .collect()
}
