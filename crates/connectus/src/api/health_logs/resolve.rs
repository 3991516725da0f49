//! `PATCH /api/v1/health-logs/{id}`.

use axum::{
    Json,
    extract::{Path, State},
};
use connectus_core::Error;
use connectus_engine::health;
use serde::Deserialize;
use utoipa::ToSchema;

use super::HealthLogView;
use crate::{
    app::App,
    http::{ApiResult, Body, Caller},
};

/// What to change.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResolveProblem {
    /// Must be true: a problem that comes back is a new entry.
    resolved: bool,
}

/// Resolve a problem. Resolving a resolved one changes nothing.
#[utoipa::path(patch, path = "/api/v1/health-logs/{id}", tag = "health",
    params(("id" = String, Path)), request_body = ResolveProblem,
    responses((status = 200, body = HealthLogView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Body(body): Body<ResolveProblem>,
) -> ApiResult<Json<HealthLogView>> {
    if !body.resolved {
        let message = "must be true: a problem that comes back is a new entry.";
        return Err(Error::invalid("resolved", message).into());
    }
    let resolved = health::resolve(app.store(), &caller.ctx, &super::id(&id)?).await?;
    Ok(Json(HealthLogView::of(resolved)))
}
