//! A client for the routers, with a clock moved by hand.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use crate::{Handle, Sandbox, SandboxConfig};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode},
};
use connectus_core::{
    Env, Timestamp,
    env::{Clock, Entropy},
};
use serde_json::Value;
use tower::ServiceExt;

/// Time stands still until it is moved.
#[derive(Clone)]
pub struct HandClock(Arc<AtomicI64>);

impl HandClock {
    pub fn advance_millis(&self, millis: i64) {
        self.0.fetch_add(millis * 1_000, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

struct Zeros;

impl Entropy for Zeros {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(0);
    }
}

/// An answer read to its end; `broken` when the body stopped early.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
    pub broken: bool,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// Both fakes, called without sockets.
pub struct Bench {
    pub clock: HandClock,
    pub handle: Handle,
    pub hubspot: Router,
    pub slack: Router,
}

pub fn config() -> (HandClock, SandboxConfig) {
    let clock = HandClock(Arc::new(AtomicI64::new(1_790_000_000_000_000)));
    let env = Env::new(Arc::new(clock.clone()), Arc::new(Zeros));
    (clock, SandboxConfig::new(env))
}

pub fn bench() -> Bench {
    bench_with(|_| {})
}

pub fn bench_with(change: impl FnOnce(&mut SandboxConfig)) -> Bench {
    let (clock, mut config) = config();
    change(&mut config);
    let sandbox = Sandbox::new(config);
    Bench {
        clock,
        handle: sandbox.handle(),
        hubspot: sandbox.hubspot_router(),
        slack: sandbox.slack_router(),
    }
}

pub async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let read = to_bytes(body, usize::MAX).await;
    Answer {
        status: parts.status,
        headers: parts.headers,
        broken: read.is_err(),
        text: String::from_utf8(read.unwrap_or_default().to_vec()).unwrap(),
    }
}

impl Bench {
    pub async fn get(&self, path: &str) -> Answer {
        self.hubspot_call("GET", path, None, &[]).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.hubspot_call("POST", path, Some(body), &[]).await
    }

    pub async fn hubspot_call(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let token = format!("Bearer {}", self.handle.keys().hubspot_token);
        send(&self.hubspot, request(method, path, &token, body, headers)).await
    }

    pub async fn slack_call(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.slack_with(method, path, body, &[]).await
    }

    pub async fn slack_with(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let token = format!("Bearer {}", self.handle.keys().slack_token);
        send(&self.slack, request(method, path, &token, body, headers)).await
    }
}

pub fn request(
    method: &str,
    path: &str,
    authorization: &str,
    body: Option<Value>,
    headers: &[(&str, &str)],
) -> Request<Body> {
    let mut builder = Request::builder().method(method).uri(path);
    if !authorization.is_empty() {
        builder = builder.header("authorization", authorization);
    }
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    match body {
        Some(body) => builder
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()))
            .unwrap(),
        None => builder.body(Body::empty()).unwrap(),
    }
}

pub fn form(path: &str, pairs: &[(&str, &str)]) -> Request<Body> {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    Request::builder()
        .method("POST")
        .uri(path)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(body))
        .unwrap()
}
