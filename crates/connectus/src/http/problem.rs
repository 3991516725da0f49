//! Errors as RFC 9457 problem documents, with the legacy `detail` string of the older API.

use axum::{
    Json,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use connectus_core::Error;
use serde_json::{Map, Value, json};

/// What a handler returns.
pub type ApiResult<T> = Result<T, Problem>;

/// An error on its way to the caller.
#[derive(Debug)]
pub struct Problem(pub Error);

impl<E: Into<Error>> From<E> for Problem {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

/// The path of a code's help page, compiled into the binary.
pub fn help_path(code: &str) -> String {
    format!("/docs/errors/{code}")
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self(error) = self;
        let (code, status) = (error.code.name(), error.code.status());
        if let Some(cause) = &error.cause {
            tracing::warn!(action = "request", status = "failure", code, cause, "request failed");
        }
        let mut body = Map::new();
        body.insert("type".into(), help_path(code).into());
        body.insert("title".into(), error.code.title().into());
        body.insert("status".into(), status.into());
        body.insert("code".into(), code.into());
        body.insert("detail".into(), error.detail.into());
        if !error.fields.is_empty() {
            body.insert("errors".into(), json!(error.fields));
        }
        // An error of ours is looked up by its request; the answer to a foreign identifier, on the
        // other hand, must equal the answer to an unknown one to the last byte.
        if status >= 500
            && let Some(request) = connectus_store::request::current()
        {
            body.insert("request_id".into(), request.id.as_str().into());
        }
        body.extend(error.extra);
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(Value::Object(body))).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(secs) = error.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(secs));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        // The router's outer layer counts errors by code without reading bodies.
        if let Ok(value) = HeaderValue::from_str(code) {
            headers.insert(HeaderName::from_static("x-error-code"), value);
        }
        response
    }
}
