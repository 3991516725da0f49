//! `GET /api/v1/deliveries/{id}`.

use axum::{
    Json,
    extract::{Path, State},
};
use connectus_engine::deliveries::replay;

use super::{AttemptView, DeliveryWithAttempts};
use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// Attempts shown, the newest ones.
const SHOWN: u32 = 100;

/// Get a delivery, with the log of its attempts.
#[utoipa::path(get, path = "/api/v1/deliveries/{id}", tag = "webhooks",
    params(("id" = String, Path)), responses((status = 200, body = DeliveryWithAttempts)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<Json<DeliveryWithAttempts>> {
    let delivery = replay::find(app.store(), &caller.ctx, &super::id(&id)?).await?;
    let mut conn = app.store().read().await?;
    let log = conn.delivery_attempts(&caller.ctx, &delivery.id, SHOWN).await?;
    let log = log.into_iter().map(AttemptView::from).collect();
    Ok(Json(DeliveryWithAttempts { delivery: delivery.into(), log }))
}
