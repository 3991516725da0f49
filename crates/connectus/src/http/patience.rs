//! How long a request may take.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};
use connectus_core::{Code, Error};
use tokio::time::Instant;

use super::problem::Problem;

/// A request is answered within this time; a stream has begun by then.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// What a request may take beyond [`REQUEST_TIMEOUT`], because its caller asked to wait. Handlers
/// find it among the extensions.
#[derive(Clone, Debug, Default)]
pub struct Patience(Arc<AtomicU64>);

impl Patience {
    /// Allows the request to take so much longer than others, in whole seconds.
    pub fn extend(&self, by: Duration) {
        self.0.fetch_add(by.as_secs(), Ordering::Relaxed);
    }

    fn whole(&self) -> Duration {
        REQUEST_TIMEOUT + Duration::from_secs(self.0.load(Ordering::Relaxed))
    }
}

/// Answers requests that take too long.
pub async fn limit(mut request: Request, next: Next) -> Response {
    let (patience, began) = (Patience::default(), Instant::now());
    request.extensions_mut().insert(patience.clone());
    let mut answer = std::pin::pin!(next.run(request));
    loop {
        let allowed = patience.whole();
        if let Ok(response) = tokio::time::timeout_at(began + allowed, answer.as_mut()).await {
            return response;
        }
        if patience.whole() > allowed {
            continue;
        }
        let detail = format!(
            "The request took longer than {} seconds. It may still take effect: repeat it \
             with the same Idempotency-Key, or read the object.",
            allowed.as_secs()
        );
        return Problem(Error::new(Code::Timeout, detail)).into_response();
    }
}

#[cfg(test)]
mod tests {
    use axum::{Extension, Router, body::Body, http::StatusCode, middleware, routing::get};
    use tower::ServiceExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_request_takes_as_long_as_it_was_allowed_to() {
        async fn slow() {
            tokio::time::sleep(REQUEST_TIMEOUT + Duration::from_secs(9)).await;
        }
        async fn patient(Extension(patience): Extension<Patience>) {
            patience.extend(Duration::from_secs(10));
            slow().await;
        }
        let router: Router = Router::new()
            .route("/slow", get(slow))
            .route("/patient", get(patient))
            .layer(middleware::from_fn(limit));
        let status = async |path: &str| {
            let request = Request::builder().uri(path).body(Body::empty()).unwrap();
            router.clone().oneshot(request).await.unwrap().status()
        };
        assert_eq!(status("/slow").await, StatusCode::GATEWAY_TIMEOUT);
        assert_eq!(status("/patient").await, StatusCode::OK);
    }
}
