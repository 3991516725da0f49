//! Counts answers by operation. The router puts it around every operation.

use std::time::Instant;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};

use super::metrics;

/// Runs a request and counts its answer.
pub async fn observe(
    State(operation): State<&'static str>,
    request: Request,
    next: Next,
) -> Response {
    // A duration is measured by the monotonic clock; the injected one tells the time of day.
    let began = Instant::now();
    let response = next.run(request).await;
    metrics::answered(operation, response.status().as_u16(), began.elapsed());
    response
}
