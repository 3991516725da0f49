//! `POST /api/v1/queues/{name}/resume`.

use axum::{
    Json,
    extract::{Path, State},
};
use connectus_engine::queues;

use super::view::QueueView;
use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// Let a paused queue go on for this tenant. What has become due meanwhile begins at once.
#[utoipa::path(post, path = "/api/v1/queues/{name}/resume", tag = "queues",
    params(("name" = String, Path)), responses((status = 200, body = QueueView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
) -> ApiResult<Json<QueueView>> {
    queues::pause(&app.engine_parts, &caller.ctx, &name, false).await?;
    let state = queues::one(&app.engine_parts, &caller.ctx, &name).await?;
    Ok(Json(QueueView::of(state)))
}
