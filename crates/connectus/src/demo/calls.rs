//! Calls of this process's own API, without a socket.

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Method, Request, header},
};
use connectus_core::{Code, Error, Result};
use connectus_sandbox::SignedWebhook;
use serde_json::Value;
use tower::ServiceExt;

/// Largest answer read, in bytes. The demo asks for short lists only.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// Calls with the sandbox tenant's key.
pub struct Calls {
    router: Router,
    authorization: String,
}

impl Calls {
    /// Calls of `router` with a bearer token.
    pub fn new(router: Router, token: &str) -> Self {
        Self { router, authorization: format!("Bearer {token}") }
    }

    /// Reads.
    pub async fn get(&self, path: &str) -> Result<Value> {
        self.call(Method::GET, path, None).await
    }

    /// Creates or acts.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.call(Method::POST, path, Some(body)).await
    }

    /// Changes.
    pub async fn patch(&self, path: &str, body: &Value) -> Result<Value> {
        self.call(Method::PATCH, path, Some(body)).await
    }

    /// Delivers a webhook as its provider does: with a signature and no key.
    pub async fn deliver(&self, webhook: &SignedWebhook) -> Result<Value> {
        let url: axum::http::Uri = webhook.url.parse().map_err(Error::internal)?;
        let path = url.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::builder().method(webhook.method).uri(path);
        for (name, value) in &webhook.headers {
            request = request.header(*name, value);
        }
        self.send(request.body(Body::from(webhook.body.clone()))).await
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, &self.authorization)
            .header(header::CONTENT_TYPE, "application/json");
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.send(request.body(body)).await
    }

    async fn send(&self, request: Result<Request<Body>, axum::http::Error>) -> Result<Value> {
        let request = request.map_err(Error::internal)?;
        let asked = format!("{} {}", request.method(), request.uri().path());
        // A router never fails: errors are answers.
        let Ok(response) = self.router.clone().oneshot(request).await;
        let status = response.status();
        let bytes = to_bytes(response.into_body(), MAX_ANSWER).await.map_err(Error::internal)?;
        let answer: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(answer);
        }
        let detail = answer["detail"].as_str().unwrap_or_default();
        let detail = format!("The sandbox cannot be set up: {asked} answered {status}: {detail}");
        Err(Error::new(Code::Internal, detail))
    }
}
