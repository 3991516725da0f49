//! `PATCH /api/v1/webhook-subscriptions/{id}`.

use axum::{
    extract::{Path, State},
    http::HeaderMap,
    response::Response,
};
use connectus_engine::deliveries::subscriptions::{self, SubscriptionChange};
use serde::Deserialize;
use utoipa::ToSchema;

use super::SubscriptionView;
use crate::{
    app::App,
    http::{ApiResult, Body, Caller, etag},
};

/// What to change; the rest stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeSubscription {
    /// Where deliveries are posted.
    url: Option<String>,
    /// Event types: names, prefixes ending in `.*`, or `*`.
    events: Option<Vec<String>>,
    /// What it is for.
    description: Option<String>,
    /// Whether it gets anything. Enabled again, it goes on where it stopped: nothing is left out.
    enabled: Option<bool>,
}

/// Change a subscription.
#[utoipa::path(patch, path = "/api/v1/webhook-subscriptions/{id}", tag = "webhooks",
    params(("id" = String, Path)), request_body = ChangeSubscription,
    responses((status = 200, body = SubscriptionView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body<ChangeSubscription>,
) -> ApiResult<Response> {
    let before = super::named(&app, &caller.ctx, &id).await?;
    etag::check(&headers, before.version)?;
    let ChangeSubscription { url, events, description, enabled } = body;
    let change = SubscriptionChange { url, events, description, enabled };
    let policy = app.engine_parts.connections.egress();
    let changed = subscriptions::update(app.store(), policy, &caller.ctx, &before, change).await?;
    Ok(super::answer(changed))
}
