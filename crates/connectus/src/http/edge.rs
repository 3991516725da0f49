//! What surrounds every request: its identifier, its limits, the headers that protect browsers, and
//! the promise that whatever happens is answered by a problem document.

use std::{any::Any, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use connectus_core::{Code, Error, RequestId};
use connectus_store::request;
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{AllowOrigin, CorsLayer},
};

use super::{body::MAX_BODY_BYTES, patience, prefer, problem::Problem, zero};
use crate::app::App;

/// Longest refusal of the framework that is passed on, in bytes.
const MAX_REFUSAL_BYTES: usize = 4096;
/// The header with a request's identifier, both ways.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Puts the edge around the router.
pub fn surround(router: Router, app: App) -> Router {
    router
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn(zero::refuse))
        .layer(middleware::from_fn(patience::limit))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::map_response(as_problem))
        .layer(cors(&app.auth.settings().cors_origins))
        .layer(middleware::from_fn_with_state(app, identify))
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

/// Turns what the framework itself refuses - a path or query it cannot read - into a problem.
async fn as_problem(response: Response) -> Response {
    let ours = response.headers().contains_key("x-error-code");
    let framework = response.status().is_client_error() && !ours;
    let plain = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if !(framework && plain) {
        return response;
    }
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

#[expect(clippy::needless_pass_by_value, reason = "the signature is the layer's")]
fn panicked(cause: Box<dyn Any + Send>) -> Response {
    let text = cause.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| cause.downcast_ref::<String>().cloned());
    let cause = format!("a handler panicked: {}", text.as_deref().unwrap_or("without a message"));
    Problem(Error::internal(cause)).into_response()
}

/// Without configured origins no page of another site may read an answer.
fn cors(origins: &[String]) -> CorsLayer {
    let origins: Vec<HeaderValue> =
        origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect();
    if origins.is_empty() {
        return CorsLayer::new();
    }
    CorsLayer::new()
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
        .max_age(Duration::from_secs(600))
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
        let router = router.layer(CatchPanicLayer::custom(panicked));
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
            let answer = as_problem((status, "why").into_response()).await;
            assert_eq!(answer.status(), status);
            assert_eq!(answer.headers()["x-error-code"], code);
        }
        let own = as_problem((StatusCode::OK, "text").into_response()).await;
        assert_eq!(own.headers()[header::CONTENT_TYPE], "text/plain; charset=utf-8");
    }
}
