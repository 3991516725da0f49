//! `GET /api/v1/usage`.

use axum::{
    Json,
    extract::{Query, State},
};
use connectus_core::{Error, Result, Timestamp};
use connectus_store::usage::{CallCounts, UsageDay, UsageFilter};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    api::integrations,
    app::App,
    http::{ApiResult, Caller, Paging, paging::PageQuery},
};

/// Days shown when the caller names none.
const DEFAULT_DAYS: i64 = 30;
const SECS_PER_DAY: i64 = 24 * 60 * 60;

/// Which usage to list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Only of this integration.
    integration_id: Option<String>,
    /// The first day in UTC, `YYYY-MM-DD`; 30 days ago when absent.
    from: Option<String>,
    /// The last day in UTC, `YYYY-MM-DD`; today when absent.
    to: Option<String>,
}

/// Calls by day and integration, newest day first.
#[derive(Serialize, ToSchema)]
pub struct Usage {
    /// The days of this page.
    items: Vec<UsageView>,
    /// Days that match in all.
    total_count: u64,
    /// Rows asked for.
    limit: u32,
    /// Rows skipped.
    offset: u64,
    /// All days that match, together.
    totals: Counts,
    /// The first day looked at.
    from: String,
    /// The last day looked at.
    to: String,
}

/// The calls of one integration on one day.
#[derive(Serialize, ToSchema)]
pub struct UsageView {
    /// The integration.
    integration_id: String,
    /// The day in UTC.
    #[schema(example = "2026-06-12")]
    day: String,
    /// Its calls.
    #[serde(flatten)]
    counts: Counts,
}

/// Calls counted together.
#[derive(Serialize, ToSchema)]
pub struct Counts {
    /// Calls made.
    calls: u64,
    /// Of those, calls that failed.
    failures: u64,
    /// Of those, calls refused because of the provider's limits.
    throttled: u64,
    /// Calls that did not have to be made, because only changes were asked for.
    saved_calls: u64,
    /// Milliseconds a call took on average; null without calls.
    average_ms: Option<u64>,
}

impl From<CallCounts> for Counts {
    fn from(counts: CallCounts) -> Self {
        Self {
            calls: counts.calls,
            failures: counts.failures,
            throttled: counts.throttled,
            saved_calls: counts.saved_calls,
            average_ms: counts.millis.checked_div(counts.calls),
        }
    }
}

impl UsageView {
    fn of(usage: UsageDay) -> Self {
        Self {
            integration_id: usage.integration.to_string(),
            day: usage.day,
            counts: usage.counts.into(),
        }
    }
}

fn day(field: &str, text: Option<&str>, otherwise: Timestamp) -> Result<String> {
    let Some(text) = text else { return Ok(otherwise.day()) };
    let bare = text.len() == "2026-06-12".len();
    Timestamp::parse(text)
        .filter(|_| bare)
        .map(Timestamp::day)
        .ok_or_else(|| Error::invalid(field, "must be a day: YYYY-MM-DD."))
}

/// List the calls made to providers.
#[utoipa::path(get, path = "/api/v1/usage", tag = "health",
    params(PageQuery, Filter), responses((status = 200, body = Usage)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Paging(page): Paging,
    Query(query): Query<Filter>,
) -> ApiResult<Json<Usage>> {
    let now = app.env().now();
    let filter = UsageFilter {
        integration: query.integration_id.as_deref().map(integrations::id).transpose()?,
        from: day("from", query.from.as_deref(), now.plus_secs(-DEFAULT_DAYS * SECS_PER_DAY))?,
        to: day("to", query.to.as_deref(), now)?,
    };
    app.engine_parts.connections.flush_usage().await?;
    let (found, totals) = app.store().read().await?.usage(&caller.ctx, &filter, page).await?;
    Ok(Json(Usage {
        items: found.items.into_iter().map(UsageView::of).collect(),
        total_count: found.total_count,
        limit: page.limit,
        offset: page.offset,
        totals: totals.into(),
        from: filter.from,
        to: filter.to,
    }))
}
