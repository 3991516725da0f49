//! `POST /api/v1/runs/{id}/cancel`.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};

use super::RunView;
use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// Ask a run to stop.
///
/// A workflow undoes its finished steps where they say how; a sync stops at its next checkpoint.
#[utoipa::path(post, path = "/api/v1/runs/{id}/cancel", tag = "runs",
    params(("id" = String, Path)), responses((status = 202, body = RunView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<(StatusCode, Json<RunView>)> {
    let run = super::named(&app, &caller.ctx, &id).await?;
    let run = app.engine.cancel(&caller.ctx, &run.id).await?;
    Ok((StatusCode::ACCEPTED, Json(RunView::of(run))))
}
