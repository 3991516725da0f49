//! `GET /api/v1/webhook-subscriptions/samples`.

use axum::{
    Json,
    extract::{Query, State},
};
use connectus_core::{Error, delivery};
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;

use crate::{
    api::events::query::Wanted,
    app::App,
    http::{ApiResult, Caller},
};

/// Most samples.
const MAX_SAMPLES: usize = 3;
/// How many of the latest events are looked at.
const LOOKED_AT: u32 = 200;

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SamplesQuery {
    /// Names or families, comma-separated: `run.completed,flow.*`.
    pub types: Option<String>,
}

/// See what a subscription would get.
///
/// The latest events of these types, newest first, in the very form in which they are delivered.
/// Empty when none of the latest 200 events is one of them.
#[utoipa::path(get, path = "/api/v1/webhook-subscriptions/samples", tag = "webhooks",
    params(SamplesQuery), responses((status = 200, body = Vec<Value>)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Query(asked): Query<SamplesQuery>,
) -> ApiResult<Json<Vec<Value>>> {
    let wanted = Wanted::parse(&caller.ctx, asked.types.as_deref())?;
    let mut conn = app.store().read().await?;
    let newest = conn.last_event_seq(&caller.ctx).await?;
    let after = newest.saturating_sub(u64::from(LOOKED_AT));
    let latest = conn.events_after(&caller.ctx, after, LOOKED_AT).await?;
    let samples = latest.iter().rev().filter(|event| wanted.covers(event)).take(MAX_SAMPLES);
    let as_sent = samples.map(|event| serde_json::from_str(&delivery::body(event)));
    Ok(Json(as_sent.collect::<Result<_, _>>().map_err(Error::internal)?))
}
