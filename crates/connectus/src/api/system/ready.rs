//! `GET /health/ready`: whether the process can do its work.

use axum::{Json, extract::State};
use connectus_core::{Code, Error};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{ApiResult, Problem},
    process::readiness::Check,
};

/// Seconds after which to look again.
const RETRY_AFTER: u64 = 2;

/// Everything is as it should be.
#[derive(Serialize, ToSchema)]
pub struct Ready {
    /// Always `ready`: anything else is a 503.
    status: &'static str,
    /// What was looked at.
    checks: Vec<Check>,
}

/// Ready to work.
///
/// 200 when the database takes writes, the engine works and the disk has room; 503 with the checks
/// that failed otherwise, and while the process is stopping. An answer counts for a second.
#[utoipa::path(get, path = "/health/ready", tag = "system",
    responses((status = 200, body = Ready), (status = 503, description = "Not ready")))]
pub async fn handle(State(app): State<App>) -> ApiResult<Json<Ready>> {
    let checks = app.readiness.checks().await;
    let failed: Vec<String> = checks
        .iter()
        .filter(|check| !check.ok)
        .map(|check| format!("{}: {}", check.name, check.detail))
        .collect();
    if failed.is_empty() {
        return Ok(Json(Ready { status: "ready", checks }));
    }
    let checks = serde_json::to_value(&checks).map_err(Error::internal)?;
    let error = Error::new(Code::Unavailable, format!("Not ready: {}.", failed.join("; ")));
    Err(Problem(error.retry_after(RETRY_AFTER).with("checks", checks)))
}
