//! `POST /api/v1/deliveries/{id}/replay`.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use connectus_engine::deliveries::replay;

use super::DeliveryView;
use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// Send a delivery again, whatever became of it: now, and by the whole schedule.
///
/// Its `webhook-id` stays, so that a receiver that has it already can tell.
#[utoipa::path(post, path = "/api/v1/deliveries/{id}/replay", tag = "webhooks",
    params(("id" = String, Path)), responses((status = 202, body = DeliveryView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<Response> {
    let delivery = replay::one(app.store(), &caller.ctx, &super::id(&id)?).await?;
    Ok((StatusCode::ACCEPTED, Json(DeliveryView::from(delivery))).into_response())
}
