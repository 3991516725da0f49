//! `POST /api/v1/integrations/{id}/sync_now`.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use connectus_engine::flows;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    api::runs::RunView,
    app::App,
    http::{ApiResult, Caller},
};

/// The syncs that were started, or were under way already.
#[derive(Serialize, ToSchema)]
pub struct SyncsStarted {
    /// One run for each active data flow.
    runs: Vec<RunView>,
    /// How many there are.
    total_count: usize,
}

/// Sync all active data flows of an integration now.
#[utoipa::path(post, path = "/api/v1/integrations/{id}/sync_now", tag = "integrations",
    params(("id" = String, Path)), responses((status = 202, body = SyncsStarted)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<(StatusCode, Json<SyncsStarted>)> {
    let id = super::id(&id)?;
    super::connections(&app).view(&caller.ctx, &id).await?;
    let runs = flows::sync_all(&app.engine_parts, &caller.ctx, &id, "manual").await?;
    let runs: Vec<_> = runs.into_iter().map(RunView::of).collect();
    Ok((StatusCode::ACCEPTED, Json(SyncsStarted { total_count: runs.len(), runs })))
}
