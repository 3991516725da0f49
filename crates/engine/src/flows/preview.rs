//! What a sync would do, row by row, without doing it.

use std::collections::HashSet;

use connectus_connect::CursorState;
use connectus_core::{
    Result, TenantCtx,
    error::FieldError,
    flow::{DataFlow, FieldChange, Leg},
};
use serde::Serialize;
use serde_json::Value;

use crate::{
    parts::Parts,
    sync::{
        Decision, decide,
        intake::{Item, Taken, newest, read},
        outgoing::{Outgoing, Pick, pick},
        pairs::meet,
        plan::Plan,
        push,
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
    /// Its key in the collection; for a refused row, what identifies it where it comes from.
    pub key: String,
    /// Which way it would travel.
    pub leg: Leg,
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
    /// Records that would be sent to the provider for the first time.
    pub send_creates: u64,
    /// Records that would be sent to the provider because they changed.
    pub send_updates: u64,
    /// The first rows that would be written or refused.
    pub rows: Vec<PreviewRow>,
    /// Whether there is more than was read, or more rows differ than are shown.
    pub truncated: bool,
    /// Rows shown at most.
    #[serde(skip)]
    limit: usize,
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
    let mut preview = Preview { limit, ..Preview::default() };
    let mut taken = HashSet::new();
    if plan.flow.direction.legs().contains(&Leg::Inbound) {
        taken = incoming(parts, ctx, &plan, &mut preview).await?;
    }
    if let Some(out) = &plan.outgoing {
        outgoing(parts, ctx, &plan, out, &taken, &mut preview).await?;
    }
    Ok(preview)
}

/// What would come in. Returns the keys of records that would be written here.
async fn incoming(
    parts: &Parts,
    ctx: &TenantCtx,
    plan: &Plan,
    preview: &mut Preview,
) -> Result<HashSet<String>> {
    let cursor = parts.store.read().await?.flow_cursor(ctx, &plan.flow.id).await?;
    let cursor = cursor.map(CursorState);
    let mut reader = plan.read(cursor.as_ref()).await?;
    let (mut items, mut pages) = (Vec::new(), 0);
    while let Some(page) = reader.next_page().await? {
        if pages >= MAX_PAGES || items.len() >= MAX_RECORDS {
            // Only the page after the last one tells whether it was the last.
            preview.truncated = !page.records.is_empty();
            break;
        }
        pages += 1;
        items.extend(page.records.into_iter().map(|record| read(plan, parts.env(), record)));
    }
    preview.read = items.len() as u64;
    let mut rows = Vec::with_capacity(items.len());
    for item in newest(items) {
        match item {
            Item::Row(row) => rows.push(*row),
            Item::Refused(row) => {
                preview.add_refused(row.source_key, Leg::Inbound, row.errors);
            }
        }
    }
    let mut conn = parts.store.read().await?;
    let decisions = match &plan.outgoing {
        None => {
            let decisions = decide(&mut conn, ctx, plan, &rows, false).await?;
            decisions.into_iter().map(|decision| (None, decision)).collect()
        }
        Some(out) => {
            let met = meet(&mut conn, ctx, plan, out, &rows, false).await?;
            met.into_iter().map(|met| (Some(met.key), met.decision)).collect::<Vec<_>>()
        }
    };
    let mut taken = HashSet::new();
    for (row, (key, decision)) in rows.into_iter().zip(decisions) {
        preview.add(key, row, decision, &mut taken);
    }
    Ok(taken)
}

/// What would be sent. Records that what comes in changes are sent as they are then: not at all,
/// for the most part.
async fn outgoing(
    parts: &Parts,
    ctx: &TenantCtx,
    plan: &Plan,
    out: &Outgoing,
    taken: &HashSet<String>,
    preview: &mut Preview,
) -> Result<()> {
    let mut conn = parts.store.read().await?;
    let (mut records, more) = push::next(&mut conn, ctx, &plan.flow, MAX_RECORDS).await?;
    preview.truncated |= more;
    preview.read += records.len() as u64;
    records.retain(|record| !taken.contains(&record.key));
    let picks = pick(&mut conn, ctx, plan, out, &records).await?;
    for (record, pick) in records.into_iter().zip(picks) {
        match pick {
            Pick::Same => preview.unchanged += 1,
            Pick::Wait => preview.kept += 1,
            Pick::Refuse(errors) => preview.add_refused(record.key, Leg::Outbound, errors),
            Pick::Send(ready) => {
                let kind = if ready.new { PreviewKind::Create } else { PreviewKind::Update };
                if ready.new {
                    preview.send_creates += 1;
                } else {
                    preview.send_updates += 1;
                }
                preview.show(record.key, Leg::Outbound, kind, ready.changes, Vec::new());
            }
        }
    }
    Ok(())
}

impl Preview {
    fn add(
        &mut self,
        key: Option<String>,
        row: Taken,
        decision: Decision,
        taken: &mut HashSet<String>,
    ) {
        let (leg, none) = (Leg::Inbound, Vec::new());
        let source_key = row.source_key().to_owned();
        let key = key.unwrap_or(row.key);
        match decision {
            Decision::Unchanged => self.unchanged += 1,
            Decision::Refuse(error) => self.add_refused(source_key, leg, vec![error]),
            Decision::Keep => {
                self.kept += 1;
                self.show(key, leg, PreviewKind::Keep, Vec::new(), none);
            }
            Decision::Update { changes, .. } => {
                self.updates += 1;
                taken.insert(key.clone());
                self.show(key, leg, PreviewKind::Update, changes, none);
            }
            Decision::Create => {
                self.creates += 1;
                taken.insert(key.clone());
                let before = Value::Null;
                let made = |(field, after)| FieldChange { field, before: before.clone(), after };
                let changes = row.fields.into_iter().map(made).collect();
                self.show(key, leg, PreviewKind::Create, changes, none);
            }
        }
    }

    fn add_refused(&mut self, key: String, leg: Leg, errors: Vec<FieldError>) {
        self.rejected += 1;
        self.show(key, leg, PreviewKind::Reject, Vec::new(), errors);
    }

    fn show(
        &mut self,
        key: String,
        leg: Leg,
        kind: PreviewKind,
        changes: Vec<FieldChange>,
        errors: Vec<FieldError>,
    ) {
        if self.rows.len() < self.limit {
            self.rows.push(PreviewRow { key, leg, kind, changes, errors });
        } else {
            self.truncated = true;
        }
    }
}
