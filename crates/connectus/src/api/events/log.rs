//! `GET /api/v1/events/log`: the record of events, page by page.

use axum::{
    Json,
    extract::{Query, State},
};
use connectus_core::{Code, Error, Page, event::Event};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::query;
use crate::{
    app::App,
    http::{ApiResult, Caller, Problem},
};

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogQuery {
    /// Only events after this `seq`.
    pub after: Option<String>,
    /// Names or families, comma-separated: `run.completed,flow.*`.
    pub types: Option<String>,
    /// Rows looked at, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: Option<u32>,
}

/// A fact that happened.
#[derive(Serialize, ToSchema)]
pub struct EventView {
    /// Position in the tenant's order, from 1 without gaps.
    seq: u64,
    /// Identifier.
    id: String,
    /// What happened, as `flow.sync.completed`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// What it happened to: an identifier.
    subject: String,
    /// Particulars.
    data: Value,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: connectus_core::Timestamp,
}

/// A page of the record, oldest first.
#[derive(Serialize, ToSchema)]
pub struct EventPage {
    /// The events of this page that were asked for.
    items: Vec<EventView>,
    /// Pass this as `after` for the next page.
    next_after: u64,
    /// Whether there are more events after this page.
    has_more: bool,
}

/// Read events.
///
/// Oldest first. Begin with no `after`, go on with `next_after`, and stop when `has_more` is false;
/// `next_after` is then also the place from which to follow the stream.
#[utoipa::path(get, path = "/api/v1/events/log", tag = "events", params(LogQuery),
    responses((status = 200, body = EventPage)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Query(asked): Query<LogQuery>,
) -> ApiResult<Json<EventPage>> {
    let wanted = query::Wanted::parse(&caller.ctx, asked.types.as_deref())?;
    let after = asked.after.as_deref().map_or(Ok(0), |text| query::position("after", text))?;
    let limit = asked.limit.unwrap_or(Page::DEFAULT_LIMIT);
    if !(1..=Page::MAX_LIMIT).contains(&limit) {
        let detail = format!("`limit` must be from 1 to {}.", Page::MAX_LIMIT);
        return Err(Problem(Error::new(Code::BadRequest, detail)));
    }
    let mut conn = app.store().read().await?;
    let newest = conn.last_event_seq(&caller.ctx).await?;
    let page = conn.events_after(&caller.ctx, after, limit).await?;
    let next_after = page.last().map_or(after, |event| event.seq);
    let items = page.into_iter().filter(|event| wanted.covers(event)).map(view).collect();
    Ok(Json(EventPage { items, next_after, has_more: next_after < newest }))
}

fn view(event: Event) -> EventView {
    let Event { seq, id, kind, subject, data, at, .. } = event;
    EventView { seq, id: id.to_string(), kind: kind.name(), subject, data: data.value(), at }
}
