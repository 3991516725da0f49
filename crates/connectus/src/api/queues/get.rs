//! `GET /api/v1/queues/{name}`.

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

/// Get one queue. `GET /api/v1/runs?queue=` lists what is in it.
#[utoipa::path(get, path = "/api/v1/queues/{name}", tag = "queues",
    params(("name" = String, Path)), responses((status = 200, body = QueueView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
) -> ApiResult<Json<QueueView>> {
    let state = queues::one(&app.engine_parts, &caller.ctx, &name).await?;
    Ok(Json(QueueView::of(state)))
}
