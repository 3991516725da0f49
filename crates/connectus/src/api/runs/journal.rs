//! `GET /api/v1/runs/{id}/journal`.

use axum::{
    Json,
    extract::{Path, State},
};
use connectus_core::{Error, workflow::Entry};
use connectus_engine::history;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{ApiResult, Caller, Paged, Paging, paging::PageQuery},
};

/// Something a run learnt.
#[derive(Serialize, ToSchema)]
pub struct EntryView {
    /// Its place, from 1: `state?at=` this place is the run just after it.
    position: u64,
    /// When the run learnt it.
    at: String,
    /// The step or signal it is about.
    about: Option<String>,
    /// In a sentence.
    summary: String,
    /// The whole event: `type` and what belongs to it.
    #[schema(value_type = Object)]
    event: Value,
}

impl EntryView {
    pub(super) fn of(position: u64, entry: &Entry) -> Result<Self, Error> {
        Ok(Self {
            position,
            at: entry.at.to_string(),
            about: history::about(&entry.event).map(str::to_owned),
            summary: history::told(&entry.event),
            event: serde_json::to_value(&entry.event).map_err(Error::internal)?,
        })
    }
}

/// Read the journal of a run: everything it learnt, in order.
///
/// A run that started over has the journal of its present generation.
#[utoipa::path(get, path = "/api/v1/runs/{id}/journal", tag = "runs",
    params(("id" = String, Path), PageQuery),
    responses((status = 200, body = Paged<EntryView>)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Paging(page): Paging,
) -> ApiResult<Json<Paged<EntryView>>> {
    let run = super::named(&app, &caller.ctx, &id).await?;
    let found = history::page(&app.engine_parts, &caller.ctx, &run, page).await?;
    let items = found.items.iter().map(|(place, entry)| EntryView::of(*place, entry));
    Ok(Json(Paged {
        items: items.collect::<Result<_, _>>()?,
        total_count: found.total_count,
        limit: page.limit,
        offset: page.offset,
    }))
}
