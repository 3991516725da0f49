//! Google's error document: a status word, and a failure with its details.

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
    code: u16,
    status: &'static str,
    message: String,
    /// One entry of the failure: what is wrong, and where.
    errors: Vec<Value>,
}

impl Refusal {
    fn new(code: u16, status: &'static str, message: impl Into<String>) -> Self {
        Self { code, status, message: message.into(), errors: Vec::new() }
    }

    /// A request that is wrong in itself; `kind` is a member of the oneof of error codes.
    pub(super) fn invalid(kind: &str, word: &str, message: &str) -> Self {
        let mut refusal =
            Self::new(400, "INVALID_ARGUMENT", "Request contains an invalid argument.");
        refusal.errors.push(json!({"errorCode": {kind: word}, "message": message}));
        refusal
    }

    pub(super) fn of_errors(errors: Vec<Value>) -> Self {
        let mut refusal =
            Self::new(400, "INVALID_ARGUMENT", "Request contains an invalid argument.");
        refusal.errors = errors;
        refusal
    }

    pub(super) fn not_found() -> Self {
        Self::new(404, "NOT_FOUND", "Requested entity was not found.")
    }

    pub(super) fn unauthenticated() -> Self {
        let message =
            "Request had invalid authentication credentials. Expected OAuth 2 access token.";
        Self::new(401, "UNAUTHENTICATED", message)
    }

    pub(super) fn denied(word: &str, message: &str) -> Self {
        let mut refusal =
            Self::new(403, "PERMISSION_DENIED", "The caller does not have permission");
        refusal.errors.push(json!({"errorCode": {"authorizationError": word}, "message": message}));
        refusal
    }

    /// The budget is used up. The only hint when to come back stands deep in the body.
    pub(super) fn exhausted(wait_secs: i64) -> Self {
        let mut refusal = Self::new(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted.");
        refusal.errors.push(json!({
            "errorCode": {"quotaError": "RESOURCE_EXHAUSTED"},
            "message": format!("Too many requests. Retry in {wait_secs} seconds."),
            "details": {"quotaErrorDetails": {
                "rateScope": "DEVELOPER",
                "rateName": "Number of operations for basic access",
                "retryDelay": format!("{wait_secs}s"),
            }},
        }));
        refusal
    }

    fn body(&self) -> Value {
        let mut error = json!({"code": self.code, "message": self.message, "status": self.status});
        if !self.errors.is_empty() {
            error["details"] = json!([failure(&self.errors)]);
        }
        json!({"error": error})
    }

    /// The answer; that of a stream is a list, in failure as well.
    pub(super) fn into_answer(self, streams: bool) -> Response {
        let status = StatusCode::from_u16(self.code).unwrap_or(StatusCode::BAD_REQUEST);
        let body = if streams { json!([self.body()]) } else { self.body() };
        (status, Json(body)).into_response()
    }
}

/// A failure as a detail of an error.
pub(super) fn failure(errors: &[Value]) -> Value {
    json!({
        "@type": "type.googleapis.com/google.ads.googleads.v26.errors.GoogleAdsFailure",
        "errors": errors,
        "requestId": "sandbox0000000000000000",
    })
}

/// A refusal for no fault of the caller's.
pub(crate) fn misfortune(what: Misfortune) -> Response {
    match what {
        Misfortune::TooMany => Refusal::exhausted(30),
        Misfortune::Expired => Refusal::unauthenticated(),
        Misfortune::Status(status) => {
            let message = "This failure was scripted by the sandbox.";
            Refusal::new(status.as_u16(), "UNAVAILABLE", message)
        }
    }
    .into_answer(false)
}
