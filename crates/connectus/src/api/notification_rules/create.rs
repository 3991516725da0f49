//! `POST /api/v1/notification-rules`.

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use connectus_core::{
    Error,
    notification::{DEFAULT_THROTTLE_SECS, Severity},
};
use connectus_engine::notifications::rules::{self, NewRule};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{ChannelBody, RuleView};
use crate::{
    app::App,
    http::{ApiResult, Body, Caller},
};

/// A rule to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "name": "On call",
    "channel": {"type": "email", "to": ["oncall@example.org"]}
}))]
pub struct CreateRule {
    /// What people call it; it begins the subject of e-mails.
    name: String,
    /// Event types: names, prefixes ending in `.*`, or `*`, which is what counts without any.
    #[serde(default = "all")]
    events: Vec<String>,
    /// How bad an event is at least: `info`, `warning`, `error`, which is what counts without any,
    /// or `critical`.
    severity: Option<String>,
    /// Workflows, data flows or integrations it is about, by identifier; all without any.
    #[serde(default)]
    subjects: Vec<String>,
    /// By which way.
    channel: ChannelBody,
    /// Seconds between two notifications, 300 when absent, 86,400 at most. What happens in between
    /// is told by the next one.
    throttle_secs: Option<u32>,
}

fn all() -> Vec<String> {
    vec!["*".to_owned()]
}

/// Make a rule for what happens from now on. Without events and severity it tells of failures.
#[utoipa::path(post, path = "/api/v1/notification-rules", tag = "notifications",
    request_body = CreateRule, responses((status = 201, body = RuleView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Body(body): Body<CreateRule>,
) -> ApiResult<Response> {
    let severity = body.severity.as_deref().map(str::parse).transpose()?;
    let new = NewRule {
        name: body.name,
        events: body.events,
        severity: severity.unwrap_or(Severity::Error),
        subjects: body.subjects,
        channel: body.channel.read()?,
        throttle_secs: body.throttle_secs.unwrap_or(DEFAULT_THROTTLE_SECS),
    };
    let rule = rules::create(&app.engine_parts, &caller.ctx, new).await?;
    let location = format!("/api/v1/notification-rules/{}", rule.id);
    let location = HeaderValue::from_str(&location).map_err(Error::internal)?;
    let made = RuleView::from(rule);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(made)).into_response())
}
