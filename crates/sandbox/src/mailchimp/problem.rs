//! Mailchimp's error document: problem+json.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::fault::Misfortune;

/// A refused request.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    title: &'static str,
    pub detail: String,
    errors: Vec<Value>,
}

impl Problem {
    pub(crate) fn new(status: u16, title: &'static str, detail: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        Self { status, title, detail: detail.into(), errors: Vec::new() }
    }

    pub(crate) fn not_found() -> Self {
        Self::new(404, "Resource Not Found", "The requested resource could not be found.")
    }

    pub(crate) fn unauthorized() -> Self {
        let detail = "Your API key may be invalid, or you've attempted to access the wrong \
                      datacenter.";
        Self::new(401, "API Key Invalid", detail)
    }

    pub(crate) fn broken() -> Self {
        let detail = "We encountered an unspecified JSON parsing error.";
        Self::new(400, "JSON Parse Error", detail)
    }

    /// A request that can be read and will not be accepted.
    pub(crate) fn invalid(field: &str, message: &str) -> Self {
        let detail = "The resource submitted could not be validated. For field-specific details, \
                      see the 'errors' array.";
        let mut problem = Self::new(400, "Invalid Resource", detail);
        problem.errors.push(json!({"field": field, "message": message}));
        problem
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = json!({
            "type": "https://mailchimp.com/developer/marketing/docs/errors/",
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
            "instance": "00000000-0000-4000-8000-000000000000",
        });
        if let (false, Some(members)) = (self.errors.is_empty(), body.as_object_mut()) {
            members.insert("errors".into(), self.errors.into());
        }
        let mut response = (self.status, body.to_string()).into_response();
        let kind = HeaderValue::from_static("application/problem+json; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}

/// A refusal for no fault of the caller's.
pub(crate) fn misfortune(what: Misfortune) -> Response {
    match what {
        Misfortune::TooMany => Problem::new(
            429,
            "Too Many Requests",
            "You have exceeded the limit of 10 simultaneous connections.",
        ),
        Misfortune::Expired => Problem::unauthorized(),
        Misfortune::Status(status) => Problem::new(
            status.as_u16(),
            "Internal Server Error",
            "This failure was scripted by the sandbox.",
        ),
    }
    .into_response()
}
