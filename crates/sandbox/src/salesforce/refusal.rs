//! Salesforce's errors: a list with one entry.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::fault::Misfortune;

/// A refused request.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub status: StatusCode,
    code: &'static str,
    message: String,
    fields: Vec<String>,
}

impl Refusal {
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        Self { status, code, message: message.into(), fields: Vec::new() }
    }

    pub(crate) fn field(code: &'static str, field: &str, message: impl Into<String>) -> Self {
        Self { fields: vec![field.to_owned()], ..Self::new(400, code, message) }
    }

    pub(crate) fn no_such_path() -> Self {
        Self::new(404, "NOT_FOUND", "The requested resource does not exist")
    }

    pub(crate) fn expired() -> Self {
        Self::new(401, "INVALID_SESSION_ID", "Session expired or invalid")
    }

    pub(crate) fn limit() -> Self {
        Self::new(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
    }

    /// The body of an answer of its own.
    pub(crate) fn body(&self) -> Value {
        let mut entry = json!({"message": self.message, "errorCode": self.code});
        if !self.fields.is_empty() {
            entry["fields"] = self.fields.clone().into();
        }
        json!([entry])
    }

    /// The entry for one record of a collection.
    pub(crate) fn entry(&self) -> Value {
        let error =
            json!({"statusCode": self.code, "message": self.message, "fields": self.fields});
        json!({"success": false, "errors": [error]})
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(self.body())).into_response()
    }
}

/// A refusal for no fault of the caller's. Salesforce knows no 429.
pub(crate) fn misfortune(what: Misfortune) -> Response {
    match what {
        Misfortune::TooMany => Refusal::limit(),
        Misfortune::Expired => Refusal::expired(),
        Misfortune::Status(status) => {
            let message = "This failure was scripted by the sandbox.";
            Refusal::new(status.as_u16(), "SERVER_UNAVAILABLE", message)
        }
    }
    .into_response()
}
