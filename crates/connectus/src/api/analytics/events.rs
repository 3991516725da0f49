//! `GET /api/v1/analytics/events`.

use axum::{
    Json,
    extract::{Query, State},
};
use connectus_core::{Error, access::Permission, analytics::EVENTS, event::EventType};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::span;
use crate::{
    api::events::query::is_personal,
    app::App,
    http::{ApiResult, Caller},
};

/// Which figures.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// The first day in UTC, `YYYY-MM-DD`; 29 days before `to` when absent.
    from: Option<String>,
    /// The last day in UTC, `YYYY-MM-DD`; today when absent.
    to: Option<String>,
    /// Only of this type.
    r#type: Option<String>,
}

/// Events counted by day and type.
#[derive(Serialize, ToSchema)]
pub struct EventAnalytics {
    /// Oldest day first.
    items: Vec<EventDay>,
    /// All of them together.
    total: u64,
    /// The first day looked at.
    from: String,
    /// The last day looked at.
    to: String,
    /// Events that have happened and are not counted yet.
    behind: u64,
}

/// The events of one type on one day.
#[derive(Serialize, ToSchema)]
pub struct EventDay {
    /// The day in UTC.
    #[schema(example = "2026-06-12")]
    day: String,
    /// Their type.
    #[serde(rename = "type")]
    kind: String,
    /// How many.
    count: u64,
}

/// Events counted by day and type.
///
/// Those about people and keys are counted for those only who may see people and keys.
#[utoipa::path(get, path = "/api/v1/analytics/events", tag = "analytics", params(Filter),
    responses((status = 200, body = EventAnalytics)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Query(asked): Query<Filter>,
) -> ApiResult<Json<EventAnalytics>> {
    if let Some(kind) = &asked.r#type
        && EventType::parse(kind).is_none()
    {
        let error = Error::invalid("type", "must be the type of an event, as run.completed.");
        return Err(error.into());
    }
    let days = (asked.from.as_deref(), asked.to.as_deref());
    let found = span::read(&app, &caller.ctx, &EVENTS, days, asked.r#type.as_deref()).await?;
    let all = caller.ctx.role().allows(Permission::UsersRead);
    let may_see = |kind: &str| all || EventType::parse(kind).is_some_and(|kind| !is_personal(kind));
    let items: Vec<EventDay> = found
        .sums
        .into_iter()
        .filter(|(place, _)| may_see(&place.subject))
        .map(|(place, sum)| EventDay { day: place.day, kind: place.subject, count: sum.count })
        .collect();
    let total = items.iter().map(|item| item.count).sum();
    Ok(Json(EventAnalytics { items, total, from: found.from, to: found.to, behind: found.behind }))
}
