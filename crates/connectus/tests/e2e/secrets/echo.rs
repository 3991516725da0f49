//! A provider that answers with everything it was sent, as careless services do in their errors.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use axum::{
    Json, Router,
    body::to_bytes,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

/// Statuses it answers with, in turn.
const STATUSES: [StatusCode; 3] =
    [StatusCode::BAD_REQUEST, StatusCode::FORBIDDEN, StatusCode::INTERNAL_SERVER_ERROR];

/// Where it listens.
pub struct Echo {
    pub address: String,
    said: Arc<Said>,
}

/// What it has said, and whether it now says that the credential is no good.
#[derive(Default)]
struct Said {
    calls: AtomicUsize,
    refuses: AtomicBool,
}

impl Echo {
    /// Listens on a free port of this machine until the test ends.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let said = Arc::<Said>::default();
        let router = Router::new().fallback(echo).with_state(said.clone());
        tokio::spawn(axum::serve(listener, router).into_future());
        Self { address, said }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Calls it has answered.
    pub fn calls(&self) -> usize {
        self.said.calls.load(Ordering::SeqCst)
    }

    /// Whether it refuses every credential from now on.
    pub fn refuse(&self, refuses: bool) {
        self.said.refuses.store(refuses, Ordering::SeqCst);
    }
}

async fn echo(State(so_far): State<Arc<Said>>, request: Request) -> Response {
    let call = so_far.calls.fetch_add(1, Ordering::SeqCst);
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1024 * 1024).await.unwrap_or_default();
    let header = |name: &str| {
        parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    };
    // What is cut to length is cut at another place every time.
    let said = format!(
        "{}{} {} {} {}",
        ".".repeat(call * 37 % 300),
        header("authorization"),
        header("developer-token"),
        String::from_utf8_lossy(&body),
        parts.uri,
    );
    let answer = json!({
        "ok": false, "message": said, "category": said, "error": said, "detail": said,
        "error_description": said, "title": said,
    });
    let status = match so_far.refuses.load(Ordering::SeqCst) {
        true => StatusCode::UNAUTHORIZED,
        false => STATUSES[call % STATUSES.len()],
    };
    (status, Json(answer)).into_response()
}
