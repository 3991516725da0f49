//! `GET /api/v1/queues`.

use axum::{Json, extract::State};
use connectus_engine::queues;
use serde::Serialize;
use utoipa::ToSchema;

use super::view::QueueView;
use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// All queues.
#[derive(Serialize, ToSchema)]
pub struct QueuesView {
    /// Those with more weight first.
    items: Vec<QueueView>,
}

/// List the queues: what is in them, how fast they are, whether they are paused.
#[utoipa::path(get, path = "/api/v1/queues", tag = "queues",
    responses((status = 200, body = QueuesView)))]
pub async fn handle(State(app): State<App>, caller: Caller) -> ApiResult<Json<QueuesView>> {
    let states = queues::all(&app.engine_parts, &caller.ctx).await?;
    Ok(Json(QueuesView { items: states.into_iter().map(QueueView::of).collect() }))
}
