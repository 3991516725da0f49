//! `DELETE /api/v1/webhook-subscriptions/{id}`.

use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
};
use connectus_engine::deliveries::subscriptions;

use crate::{
    app::App,
    http::{ApiResult, Caller, etag},
};

/// Delete a subscription with the log of its deliveries.
#[utoipa::path(delete, path = "/api/v1/webhook-subscriptions/{id}", tag = "webhooks",
    params(("id" = String, Path)), responses((status = 204)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> ApiResult<StatusCode> {
    let subscription = super::named(&app, &caller.ctx, &id).await?;
    etag::check(&headers, subscription.version)?;
    subscriptions::delete(app.store(), &caller.ctx, &subscription.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
