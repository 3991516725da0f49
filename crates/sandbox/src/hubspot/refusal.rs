//! HubSpot's error document.

use axum::{
    Json,
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::object::ObjectType;
use crate::fault::Misfortune;

/// A refused request, in HubSpot's words.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub status: u16,
    pub category: &'static str,
    pub message: String,
    pub details: Vec<Value>,
    pub context: Map<String, Value>,
    policy: Option<&'static str>,
}

impl Refusal {
    pub(crate) fn new(status: u16, category: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            category,
            message: message.into(),
            details: Vec::new(),
            context: Map::new(),
            policy: None,
        }
    }

    /// A request HubSpot can read and will not accept.
    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new(400, "VALIDATION_ERROR", message)
    }

    /// One property has a value it cannot have.
    pub(crate) fn property(code: &str, name: &str, message: &str) -> Self {
        let listed = json!([{"isValid": false, "message": message, "error": code, "name": name}]);
        let mut refusal = Self::validation(format!("Property values were not valid: {listed}"));
        refusal.details.push(json!({
            "message": message,
            "code": code,
            "context": {"propertyName": [name]},
        }));
        refusal
    }

    pub(crate) fn not_found(object_type: ObjectType, id: &str) -> Self {
        let what = object_type.singular().to_lowercase();
        Self::new(404, "OBJECT_NOT_FOUND", format!("Object not found. {what} id: {id}"))
            .context("ids", id)
    }

    pub(crate) fn exists(object_type: ObjectType, id: u64) -> Self {
        let what = object_type.singular();
        Self::new(409, "CONFLICT", format!("{what} already exists. Existing ID: {id}"))
    }

    pub(crate) fn unauthenticated() -> Self {
        Self::new(
            401,
            "INVALID_AUTHENTICATION",
            "Authentication credentials not found. This API supports OAuth 2.0 authentication and \
             you can find more details in HubSpot's documentation.",
        )
    }

    pub(crate) fn expired_token(secs_ago: i64) -> Self {
        Self::new(
            401,
            "EXPIRED_AUTHENTICATION",
            format!("The OAuth token used to make this call expired {secs_ago} second(s) ago."),
        )
    }

    pub(crate) fn rate_limited(policy: &'static str) -> Self {
        let spoken = policy.to_lowercase();
        let mut refusal =
            Self::new(429, "RATE_LIMITS", format!("You have reached your {spoken} limit."));
        refusal.policy = Some(policy);
        refusal
    }

    /// Adds a value to a member of the context.
    pub(crate) fn context(mut self, name: &str, value: &str) -> Self {
        self.context.insert(name.to_owned(), json!([value]));
        self
    }

    /// The document.
    pub(crate) fn body(&self) -> Value {
        let mut body = json!({
            "status": "error",
            "message": self.message,
            "correlationId": correlation_id(&self.message),
            "category": self.category,
        });
        if let Some(members) = body.as_object_mut() {
            if !self.details.is_empty() {
                members.insert("errors".into(), self.details.clone().into());
            }
            if !self.context.is_empty() {
                members.insert("context".into(), self.context.clone().into());
            }
            if let Some(policy) = self.policy {
                members.insert("errorType".into(), "RATE_LIMIT".into());
                members.insert("policyName".into(), policy.into());
            }
        }
        body
    }

    /// The entry for one input of a batch.
    pub(crate) fn batch_entry(&self) -> Value {
        json!({
            "status": "error",
            "category": self.category,
            "message": self.message,
            "context": self.context,
            "links": {},
            "errors": self.details,
        })
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        (status, Json(self.body())).into_response()
    }
}

/// Looks like HubSpot's random UUID; the same error always gets the same one.
fn correlation_id(message: &str) -> String {
    let digest = hex::encode(Sha256::digest(message));
    let [a, b, c, d] = [&digest[..8], &digest[8..12], &digest[13..16], &digest[17..20]];
    format!("{a}-{b}-4{c}-8{d}-{}", &digest[20..32])
}

/// A refusal for no fault of the caller's.
pub(crate) fn misfortune(what: Misfortune) -> Response {
    match what {
        Misfortune::TooMany => Refusal::rate_limited("TEN_SECONDLY_ROLLING"),
        Misfortune::Expired => Refusal::expired_token(1),
        Misfortune::Status(status) => Refusal::new(
            status.as_u16(),
            "INTERNAL_ERROR",
            "This failure was scripted by the sandbox.",
        ),
    }
    .into_response()
}

pub(crate) async fn no_such_path(uri: Uri) -> Refusal {
    let message = format!("The sandbox has no {}; it fakes a part of HubSpot only.", uri.path());
    Refusal::new(404, "OBJECT_NOT_FOUND", message)
}
