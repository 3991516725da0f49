//! `PATCH /api/v1/notification-rules/{id}`.

use axum::{
    extract::{Path, State},
    http::HeaderMap,
    response::Response,
};
use connectus_engine::notifications::rules::{self, RuleChange};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{ChannelBody, RuleView};
use crate::{
    app::App,
    http::{ApiResult, Body, Caller, etag},
};

/// What to change; the rest stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeRule {
    /// What people call it.
    name: Option<String>,
    /// Event types: names, prefixes ending in `.*`, or `*`.
    events: Option<Vec<String>>,
    /// How bad an event is at least.
    severity: Option<String>,
    /// Workflows, data flows or integrations it is about; empty for all.
    subjects: Option<Vec<String>>,
    /// By which way.
    channel: Option<ChannelBody>,
    /// Seconds between two notifications.
    throttle_secs: Option<u32>,
    /// Whether anyone is told. Enabled again, it tells of what happens from then on.
    enabled: Option<bool>,
}

/// Change a rule.
#[utoipa::path(patch, path = "/api/v1/notification-rules/{id}", tag = "notifications",
    params(("id" = String, Path)), request_body = ChangeRule,
    responses((status = 200, body = RuleView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body<ChangeRule>,
) -> ApiResult<Response> {
    let before = super::named(&app, &caller.ctx, &id).await?;
    etag::check(&headers, before.version)?;
    let change = RuleChange {
        name: body.name,
        events: body.events,
        severity: body.severity.as_deref().map(str::parse).transpose()?,
        subjects: body.subjects,
        channel: body.channel.map(ChannelBody::read).transpose()?,
        throttle_secs: body.throttle_secs,
        enabled: body.enabled,
    };
    let changed = rules::update(&app.engine_parts, &caller.ctx, &before, change).await?;
    Ok(super::answer(changed))
}
