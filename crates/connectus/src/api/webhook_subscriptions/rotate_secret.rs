//! `POST /api/v1/webhook-subscriptions/{id}/rotate-secret`.

use axum::{
    Json,
    extract::{Path, State},
};
use connectus_engine::deliveries::subscriptions;
use secrecy::ExposeSecret;

use super::SubscriptionWithSecret;
use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// Give a subscription a new secret. The answer is the only place that ever shows it.
///
/// The secret before it signs along for 24 hours: every delivery carries both signatures.
#[utoipa::path(post, path = "/api/v1/webhook-subscriptions/{id}/rotate-secret", tag = "webhooks",
    params(("id" = String, Path)), responses((status = 200, body = SubscriptionWithSecret)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<Json<SubscriptionWithSecret>> {
    let id = super::id(&id)?;
    let (subscription, secret) =
        subscriptions::rotate_secret(app.store(), &caller.ctx, &id).await?;
    let secret = secret.expose_secret().to_owned();
    Ok(Json(SubscriptionWithSecret { secret, subscription: subscription.into() }))
}
