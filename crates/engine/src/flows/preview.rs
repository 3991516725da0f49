//! What a sync would do, row by row, without doing it.

use connectus_connect::CursorState;
use connectus_core::{
    Result, TenantCtx,
    error::FieldError,
    flow::{DataFlow, FieldChange},
};
use serde::Serialize;
use serde_json::Value;

use crate::{
    parts::Parts,
    sync::{
        Decision, decide,
        intake::{Item, newest, read},
        plan::Plan,
    },
};

/// Rows shown by one preview at most.
pub const MAX_PREVIEW_ROWS: usize = 200;
/// Pages shown by one preview at most; one more is read.
const MAX_PAGES: u64 = 10;
/// Records read by one preview at most.
const MAX_RECORDS: usize = 1_000;

/// What would become of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PreviewKind {
    /// The record would be new.
    Create,
    /// Fields of the record would change.
    Update,
    /// The record would stay as it is, because the change made here wins.
    Keep,
    /// The row would be refused.
    Reject,
}

/// A row that a sync would write or refuse.
#[derive(Clone, Debug, Serialize)]
pub struct PreviewRow {
    /// Its key in the collection; for a refused row, what identifies it in its source.
    pub key: String,
    /// What would become of it.
    pub kind: PreviewKind,
    /// Fields that would change.
    pub changes: Vec<FieldChange>,
    /// Why it would be refused.
    pub errors: Vec<FieldError>,
}

/// What a sync would do.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Preview {
    /// Records read.
    pub read: u64,
    /// Records that would be new.
    pub creates: u64,
    /// Records that would change.
    pub updates: u64,
    /// Records that would stay as they are.
    pub unchanged: u64,
    /// Records that would be left as they are, because the change made here wins.
    pub kept: u64,
    /// Rows that would be refused.
    pub rejected: u64,
    /// The first rows that would be written or refused.
    pub rows: Vec<PreviewRow>,
    /// Whether the stream holds more than was read, or more rows differ than are shown.
    pub truncated: bool,
}

/// Reads on from the flow's cursor, compares, and writes nothing: no row, no cursor, no run.
/// `limit` bounds the rows shown.
///
/// # Errors
/// As a sync.
pub async fn preview(
    parts: &Parts,
    ctx: &TenantCtx,
    flow: DataFlow,
    limit: usize,
) -> Result<Preview> {
    let limit = limit.min(MAX_PREVIEW_ROWS);
    let plan = Plan::of(parts, ctx, flow).await?;
    let cursor = parts.store.read().await?.flow_cursor(ctx, &plan.flow.id).await?;
    let cursor = cursor.map(CursorState);
    let mut reader = plan.connection.read(&plan.flow.stream, cursor.as_ref())?;
    let (mut items, mut pages) = (Vec::new(), 0);
    let mut preview = Preview::default();
    while let Some(page) = reader.next_page().await? {
        if pages >= MAX_PAGES || items.len() >= MAX_RECORDS {
            // Only the page after the last one tells whether it was the last.
            preview.truncated = !page.records.is_empty();
            break;
        }
        pages += 1;
        items.extend(page.records.into_iter().map(|record| read(&plan, parts.env(), record)));
    }
    preview.read = items.len() as u64;
    let mut rows = Vec::with_capacity(items.len());
    for item in newest(items) {
        match item {
            Item::Row(row) => rows.push(*row),
            Item::Refused(row) => preview.add_refused(row.source_key, row.errors, limit),
        }
    }
    let mut conn = parts.store.read().await?;
    let decisions = decide(&mut conn, ctx, &plan, &rows, false).await?;
    for (row, decision) in rows.into_iter().zip(decisions) {
        match decision {
            Decision::Unchanged => preview.unchanged += 1,
            Decision::Refuse(error) => {
                let key = row.source_key().to_owned();
                preview.add_refused(key, vec![error], limit);
            }
            Decision::Keep => {
                preview.kept += 1;
                preview.show(row.key, PreviewKind::Keep, Vec::new(), Vec::new(), limit);
            }
            Decision::Update { changes, .. } => {
                preview.updates += 1;
                preview.show(row.key, PreviewKind::Update, changes, Vec::new(), limit);
            }
            Decision::Create => {
                preview.creates += 1;
                let changes = row.fields.into_iter().map(|(field, after)| FieldChange {
                    field,
                    before: Value::Null,
                    after,
                });
                preview.show(row.key, PreviewKind::Create, changes.collect(), Vec::new(), limit);
            }
        }
    }
    Ok(preview)
}

impl Preview {
    fn add_refused(&mut self, key: String, errors: Vec<FieldError>, limit: usize) {
        self.rejected += 1;
        self.show(key, PreviewKind::Reject, Vec::new(), errors, limit);
    }

    fn show(
        &mut self,
        key: String,
        kind: PreviewKind,
        changes: Vec<FieldChange>,
        errors: Vec<FieldError>,
        limit: usize,
    ) {
        if self.rows.len() < limit {
            self.rows.push(PreviewRow { key, kind, changes, errors });
        } else {
            self.truncated = true;
        }
    }
}
