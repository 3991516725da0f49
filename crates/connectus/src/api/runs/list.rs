//! `GET /api/v1/runs`.

use axum::{
    Json,
    extract::{Query, State},
};
use connectus_core::{Error, Page};
use connectus_store::runs::Cursor;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{RunView, filter::Search};
use crate::{
    app::App,
    http::{ApiResult, Caller, Paging, paging::PageQuery},
};

/// Where to go on.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct After {
    /// The `next` of the page before; instead of `offset`.
    after: Option<String>,
}

/// One page of runs.
#[derive(Serialize, ToSchema)]
pub struct RunsPage {
    /// The runs of this page.
    items: Vec<RunView>,
    /// Runs that match in all.
    total_count: u64,
    /// Rows asked for.
    limit: u32,
    /// Rows skipped.
    offset: u64,
    /// Give it as `after` to get the next page; null when this is the last. Runs that come in
    /// meanwhile do not shift it.
    next: Option<String>,
}

/// Search runs, newest first.
#[utoipa::path(get, path = "/api/v1/runs", tag = "runs",
    params(PageQuery, Search, After), responses((status = 200, body = RunsPage)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Paging(page): Paging,
    Query(search): Query<Search>,
    Query(After { after }): Query<After>,
) -> ApiResult<Json<RunsPage>> {
    let (filter, after) = (search.read()?, after.as_deref().map(str::parse::<Cursor>).transpose()?);
    if after.is_some() && page.offset > 0 {
        return Err(Error::invalid("after", "stands instead of `offset`: give one of them").into());
    }
    let mut conn = app.store().read().await?;
    let found = conn.runs_after(&caller.ctx, &filter, after.as_ref(), page).await?;
    let Page { limit, offset } = page;
    Ok(Json(RunsPage {
        items: found.listing.items.into_iter().map(RunView::of).collect(),
        total_count: found.listing.total_count,
        limit,
        offset,
        next: found.next.map(|next| next.to_string()),
    }))
}
