//! `GET /health`: whether the process is alive.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

/// A sign of life.
#[derive(Serialize, ToSchema)]
pub struct Health {
    /// Always `ok`: a process that cannot answer says nothing.
    status: &'static str,
    /// The version of this binary.
    version: &'static str,
}

/// Alive.
///
/// Answers as long as the process runs. Whether it can work is told by `/health/ready`.
#[utoipa::path(get, path = "/health", tag = "system", responses((status = 200, body = Health)))]
pub async fn handle() -> Json<Health> {
    Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
}
