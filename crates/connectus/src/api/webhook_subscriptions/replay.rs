//! `POST /api/v1/webhook-subscriptions/{id}/replay`.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use connectus_core::Timestamp;
use connectus_engine::deliveries::replay;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{ApiResult, Body, Caller},
};

/// What to send again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "since": "2026-01-05T09:00:00Z" }))]
pub struct ReplayFailed {
    /// Deliveries made since then (RFC 3339).
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
}

/// What will be sent again.
#[derive(Serialize, ToSchema)]
pub struct Replayed {
    /// How many deliveries.
    deliveries: u64,
}

/// Send again every delivery that failed since a time, for good or so far.
#[utoipa::path(post, path = "/api/v1/webhook-subscriptions/{id}/replay", tag = "webhooks",
    params(("id" = String, Path)), request_body = ReplayFailed,
    responses((status = 202, body = Replayed)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Body(body): Body<ReplayFailed>,
) -> ApiResult<Response> {
    let subscription = super::named(&app, &caller.ctx, &id).await?;
    let deliveries =
        replay::failed_since(app.store(), &caller.ctx, &subscription, body.since).await?;
    Ok((StatusCode::ACCEPTED, Json(Replayed { deliveries })).into_response())
}
