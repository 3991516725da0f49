//! `POST /api/v1/runs/{id}/release`.

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

/// Let a run go on that is in quarantine.
///
/// It was put there because its process died again and again; `error` says at which step. It goes
/// on where it was; should it kill its process as often once more, it is set apart again.
#[utoipa::path(post, path = "/api/v1/runs/{id}/release", tag = "runs",
    params(("id" = String, Path)), responses((status = 202, body = RunView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<(StatusCode, Json<RunView>)> {
    let run = super::named(&app, &caller.ctx, &id).await?;
    let run = app.engine.release(&caller.ctx, &run).await?;
    Ok((StatusCode::ACCEPTED, Json(RunView::of(run))))
}
