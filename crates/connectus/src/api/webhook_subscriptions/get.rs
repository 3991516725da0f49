//! `GET /api/v1/webhook-subscriptions/{id}`.

use axum::{
    extract::{Path, State},
    response::Response,
};

use super::SubscriptionView;
use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// Get a subscription.
#[utoipa::path(get, path = "/api/v1/webhook-subscriptions/{id}", tag = "webhooks",
    params(("id" = String, Path)), responses((status = 200, body = SubscriptionView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<Response> {
    Ok(super::answer(super::named(&app, &caller.ctx, &id).await?))
}
