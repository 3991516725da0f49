//! `POST /api/v1/webhook-subscriptions`.

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use connectus_core::Error;
use connectus_engine::deliveries::subscriptions::{self, NewSubscription};
use secrecy::ExposeSecret;
use serde::Deserialize;
use utoipa::ToSchema;

use super::SubscriptionWithSecret;
use crate::{
    app::App,
    http::{ApiResult, Body, Caller},
};

/// A subscription to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "url": "https://example.com/webhooks/connectus",
    "events": ["run.failed", "flow.*"],
    "description": "Tells the on-call channel"
}))]
pub struct CreateSubscription {
    /// Where deliveries are posted.
    url: String,
    /// Event types: names, prefixes ending in `.*`, or `*`, which is what counts without any.
    #[serde(default = "all")]
    events: Vec<String>,
    /// What it is for.
    #[serde(default)]
    description: String,
}

fn all() -> Vec<String> {
    vec!["*".to_owned()]
}

/// Subscribe an address to events. The answer is the only place that ever shows the secret.
#[utoipa::path(post, path = "/api/v1/webhook-subscriptions", tag = "webhooks",
    request_body = CreateSubscription, responses((status = 201, body = SubscriptionWithSecret)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Body(body): Body<CreateSubscription>,
) -> ApiResult<Response> {
    let CreateSubscription { url, events, description } = body;
    let new = NewSubscription { url, events, description };
    let policy = app.engine_parts.connections.egress();
    let (subscription, secret) =
        subscriptions::create(app.store(), policy, &caller.ctx, new).await?;
    let location = format!("/api/v1/webhook-subscriptions/{}", subscription.id);
    let location = HeaderValue::from_str(&location).map_err(Error::internal)?;
    let secret = secret.expose_secret().to_owned();
    let made = SubscriptionWithSecret { secret, subscription: subscription.into() };
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(made)).into_response())
}
