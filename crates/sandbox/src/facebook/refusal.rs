//! The Graph API's error document: the code decides, not the status.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::fault::Misfortune;

/// A refused request.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    status: u16,
    code: u32,
    subcode: u32,
    message: String,
    transient: bool,
}

impl Refusal {
    pub(crate) fn new(code: u32, message: impl Into<String>) -> Self {
        Self { status: 400, code, subcode: 0, message: message.into(), transient: false }
    }

    pub(crate) fn parameter(message: impl Into<String>) -> Self {
        Self::new(100, message)
    }

    pub(crate) fn unknown_object(id: &str) -> Self {
        let message = format!(
            "Unsupported get request. Object with ID '{id}' does not exist, cannot be loaded due \
             to missing permissions, or does not support this operation."
        );
        Self { subcode: 33, ..Self::new(100, message) }
    }

    pub(crate) fn token(subcode: u32, message: &str) -> Self {
        Self { subcode, ..Self::new(190, format!("Error validating access token: {message}")) }
    }

    /// The business use case's budget is used up.
    pub(crate) fn limited() -> Self {
        let message =
            "There have been too many calls from this ad-account. Wait a bit and try again.";
        Self { subcode: 2_446_079, ..Self::new(80_004, message) }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        let kind = if self.code == 190 { "OAuthException" } else { "FacebookApiException" };
        let mut error = json!({
            "message": self.message,
            "type": kind,
            "code": self.code,
            "is_transient": self.transient,
            "fbtrace_id": "Asandbox",
        });
        if self.subcode > 0 {
            error["error_subcode"] = self.subcode.into();
        }
        (status, Json(json!({"error": error}))).into_response()
    }
}

/// A refusal for no fault of the caller's. The limit is a 400 with a code of its own.
pub(crate) fn misfortune(what: Misfortune) -> Response {
    match what {
        Misfortune::TooMany => Refusal::limited(),
        Misfortune::Expired => Refusal::token(463, "Session has expired."),
        Misfortune::Status(status) => Refusal {
            status: status.as_u16(),
            transient: true,
            ..Refusal::new(2, "Service temporarily unavailable")
        },
    }
    .into_response()
}
