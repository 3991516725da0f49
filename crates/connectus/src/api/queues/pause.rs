//! `POST /api/v1/queues/{name}/pause`.

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

/// Pause a queue for this tenant.
///
/// What is being worked on ends or comes to rest; nothing else begins or goes on, whatever is due,
/// until the queue is resumed. New runs are accepted meanwhile.
#[utoipa::path(post, path = "/api/v1/queues/{name}/pause", tag = "queues",
    params(("name" = String, Path)), responses((status = 200, body = QueueView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
) -> ApiResult<Json<QueueView>> {
    queues::pause(&app.engine_parts, &caller.ctx, &name, true).await?;
    let state = queues::one(&app.engine_parts, &caller.ctx, &name).await?;
    Ok(Json(QueueView::of(state)))
}
