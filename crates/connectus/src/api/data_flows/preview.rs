//! `POST /api/v1/data-flows/{id}/preview`.

use axum::{
    Json,
    extract::{Path, Query, State},
};
use connectus_core::{Error, error::FieldError, flow::FieldChange};
use connectus_engine::flows::{self, MAX_PREVIEW_ROWS, Preview, PreviewKind, PreviewRow};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// Rows shown when the caller names no limit.
const DEFAULT_ROWS: usize = 50;

/// How much to show.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Shown {
    /// Rows to show, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
}

/// What a sync would do.
#[derive(Serialize, ToSchema)]
pub struct PreviewView {
    /// Records read for it.
    read: u64,
    /// Records that would be new.
    creates: u64,
    /// Records that would change.
    updates: u64,
    /// Records that would stay as they are.
    unchanged: u64,
    /// Records whose change made here would win.
    kept: u64,
    /// Rows that would be refused.
    rejected: u64,
    /// Records that would be sent to the provider for the first time.
    send_creates: u64,
    /// Records that would be sent to the provider because they changed.
    send_updates: u64,
    /// The first rows that would be written or refused.
    rows: Vec<PreviewRowView>,
    /// Whether there is more than was read or shown.
    truncated: bool,
}

/// A row that a sync would write or refuse.
#[derive(Serialize, ToSchema)]
pub struct PreviewRowView {
    /// Its key in the collection; of a row refused on its way in, what identifies it at the
    /// provider.
    key: String,
    /// `inbound`: written into the collection; `outbound`: sent to the provider.
    leg: &'static str,
    /// `create`, `update`, `keep` or `reject`.
    #[schema(value_type = String)]
    kind: PreviewKind,
    /// Fields that would change.
    changes: Vec<ChangeView>,
    /// Why it would be refused: a list of `{field, message}`.
    #[schema(value_type = Vec<Object>)]
    errors: Vec<FieldError>,
}

/// A field that would change.
#[derive(Serialize, ToSchema)]
pub struct ChangeView {
    /// The field.
    field: String,
    /// What is there now; for rows that are sent, what was last sent.
    #[schema(value_type = Option<Object>)]
    before: Value,
    /// What would be there.
    #[schema(value_type = Option<Object>)]
    after: Value,
}

impl PreviewView {
    fn of(preview: Preview) -> Self {
        Self {
            read: preview.read,
            creates: preview.creates,
            updates: preview.updates,
            unchanged: preview.unchanged,
            kept: preview.kept,
            rejected: preview.rejected,
            send_creates: preview.send_creates,
            send_updates: preview.send_updates,
            rows: preview.rows.into_iter().map(PreviewRowView::of).collect(),
            truncated: preview.truncated,
        }
    }
}

impl PreviewRowView {
    fn of(row: PreviewRow) -> Self {
        let change = |FieldChange { field, before, after }| ChangeView { field, before, after };
        Self {
            key: row.key,
            leg: row.leg.name(),
            kind: row.kind,
            changes: row.changes.into_iter().map(change).collect(),
            errors: row.errors,
        }
    }
}

/// Preview a sync: what it would write, row by row, without writing anything.
///
/// Reads on from where the last sync ended, up to 1,000 records.
#[utoipa::path(post, path = "/api/v1/data-flows/{id}/preview", tag = "data flows",
    params(("id" = String, Path), Shown), responses((status = 200, body = PreviewView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Query(shown): Query<Shown>,
) -> ApiResult<Json<PreviewView>> {
    let limit = shown.limit.unwrap_or(DEFAULT_ROWS);
    if !(1..=MAX_PREVIEW_ROWS).contains(&limit) {
        return Err(Error::invalid("limit", format!("must be 1 to {MAX_PREVIEW_ROWS}.")).into());
    }
    let flow = super::named(&app, &caller.ctx, &id).await?;
    let preview = flows::preview(&app.engine_parts, &caller.ctx, flow, limit).await?;
    Ok(Json(PreviewView::of(preview)))
}
