//! What surrounds every request: its identifier, its limits, the headers that protect browsers, and
//! the promise that whatever happens is answered by a problem document.

use std::{any::Any, panic::AssertUnwindSafe, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use connectus_core::{Code, Error, RequestId};
use connectus_store::request;
use futures::FutureExt;
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::{body::MAX_BODY_BYTES, patience, prefer, problem::Problem, zero};
use crate::app::App;

/// Longest refusal of the framework that is passed on, in bytes.
const MAX_REFUSAL_BYTES: usize = 4096;
/// The header with a request's identifier, both ways.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Puts the edge around the router. Each layer of a router costs every request its boxes, so what
/// can be one function is one.
pub fn surround(router: Router, app: App) -> Router {
    // For what the framework reads by itself: forms. Other bodies have the same limit where read.
    let limited = router.layer(DefaultBodyLimit::max(MAX_BODY_BYTES));
    let guarded = limited.layer(middleware::from_fn(guard));
    let guarded = match cors(&app.auth.settings().cors_origins) {
        Some(cors) => guarded.layer(cors),
        None => guarded,
    };
    guarded.layer(middleware::from_fn_with_state(app, identify))
}

/// Refuses what nobody could answer, limits the time, and sees to it that whatever happens is a
/// problem of ours.
async fn guard(request: Request, next: Next) -> Response {
    if let Some(refusal) = zero::refuse(request.uri()) {
        return refusal;
    }
    let answered = AssertUnwindSafe(patience::limit(request, next)).catch_unwind();
    let response = answered.await.unwrap_or_else(|cause| panicked(&*cause));
    if is_refusal_of_the_framework(&response) { as_problem(response).await } else { response }
}

/// Names the request, runs it as a request, logs it and protects its answer.
async fn identify(State(app): State<App>, request: Request, next: Next) -> Response {
    let sent = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let id = sent.and_then(RequestId::parse).unwrap_or_else(|| app.env().id());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let began = app.env().now();
    let scope = request::Request { id: id.clone(), claim: None };
    let mut response = request::scope(scope, next.run(request)).await;
    let millis = app.env().now().millis() - began.millis();
    let status = if response.status().is_server_error() { "failure" } else { "success" };
    // The query is left out: it may hold an authorisation code or a search for a person.
    tracing::info!(
        action = "http.request", service = "api", status, %method, path, %id,
        code = response.status().as_u16(), millis, "answered"
    );
    protect(response.headers_mut(), app.auth.settings().https);
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// Headers every answer has, unless the handler chose another value for its page.
fn protect(headers: &mut HeaderMap, https: bool) {
    let mut unless_set = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    unless_set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    unless_set(header::X_FRAME_OPTIONS, "DENY");
    unless_set(header::REFERRER_POLICY, "no-referrer");
    unless_set(header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'");
    unless_set(header::CACHE_CONTROL, "no-store");
    unless_set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    unless_set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    if https {
        unless_set(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
}

/// Whether the framework itself has refused the request: a path or query it cannot read.
fn is_refusal_of_the_framework(response: &Response) -> bool {
    let headers = response.headers();
    let plain = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    response.status().is_client_error() && plain && !headers.contains_key("x-error-code")
}

/// What the framework says, as a problem.
async fn as_problem(response: Response) -> Response {
    let code = match response.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Code::TooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::UnsupportedMediaType,
        StatusCode::UNPROCESSABLE_ENTITY => Code::Invalid,
        _ => Code::BadRequest,
    };
    let text = axum::body::to_bytes(response.into_body(), MAX_REFUSAL_BYTES).await;
    let text = text.unwrap_or_default();
    let detail = format!("{}.", String::from_utf8_lossy(&text).trim_end_matches('.'));
    Problem(Error::new(code, detail)).into_response()
}

fn panicked(cause: &(dyn Any + Send)) -> Response {
    let text = cause.downcast_ref::<&str>().copied();
    let text = text.or_else(|| cause.downcast_ref::<String>().map(String::as_str));
    let cause = format!("a handler panicked: {}", text.unwrap_or("without a message"));
    Problem(Error::internal(cause)).into_response()
}

/// Without configured origins no page of another site may read an answer.
fn cors(origins: &[String]) -> Option<CorsLayer> {
    let origins: Vec<HeaderValue> =
        origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect();
    if origins.is_empty() {
        return None;
    }
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            REQUEST_ID,
            HeaderName::from_static("idempotency-key"),
            HeaderName::from_static("last-event-id"),
            prefer::PREFER,
        ])
        .expose_headers([
            header::ETAG,
            header::LOCATION,
            header::RETRY_AFTER,
            REQUEST_ID,
            prefer::APPLIED,
        ])
        .max_age(Duration::from_secs(600));
    Some(layer)
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, routing::get};
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_answered_and_tells_nothing() {
        async fn faulty() -> &'static str {
            panic!("the secret inside")
        }
        let router: Router = Router::new().route("/", get(faulty));
        let router = router.layer(middleware::from_fn(guard));
        let response = router.oneshot(Request::new(Body::empty())).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        let body = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
        assert!(!String::from_utf8_lossy(&body).contains("secret"));
    }

    #[tokio::test]
    async fn what_the_framework_refuses_becomes_a_problem_of_the_same_status() {
        for (status, code) in [
            (StatusCode::BAD_REQUEST, "bad_request"),
            (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"),
            (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
        ] {
            let refusal = (status, "why").into_response();
            assert!(is_refusal_of_the_framework(&refusal));
            let answer = as_problem(refusal).await;
            assert_eq!(answer.status(), status);
            assert_eq!(answer.headers()["x-error-code"], code);
        }
        assert!(!is_refusal_of_the_framework(&(StatusCode::OK, "text").into_response()));
        let ours = Problem(Error::not_found("run")).into_response();
        assert!(!is_refusal_of_the_framework(&ours));
    }
}
