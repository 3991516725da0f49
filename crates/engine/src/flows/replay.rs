//! Trying refused rows again, with the mapping as it is now.

use std::sync::Arc;

use connectus_core::{
    Code, Error, FlowId, Page, RejectedRowId, Result, TenantCtx, event::EventType,
};
use connectus_store::{Tx, rejected::RejectedRow};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    parts::Parts,
    sync::{checkpoint, intake, plan::Plan},
};

/// Rows tried in one transaction.
const BATCH: u32 = 200;
/// Rows that one request tries at most.
const MAX_ROWS: usize = 10_000;

/// What became of the rows.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Replay {
    /// Rows the flow has taken now.
    pub replayed: u64,
    /// Rows it still refuses, and why.
    pub still_rejected: Vec<StillRejected>,
}

/// A row that is still refused.
#[derive(Clone, Debug, Serialize)]
pub struct StillRejected {
    /// The row.
    pub id: RejectedRowId,
    /// Why: a list of `{field, message}`.
    pub errors: Value,
}

/// Tries refused rows of a flow again: those named, or all that are open. Where a row waited for
/// a person to decide between two changes, replaying it takes the provider's.
///
/// # Errors
/// `not_found` for an unknown flow or row; what is wrong with the flow or its integration.
pub async fn replay_rejected(
    parts: &Parts,
    ctx: &TenantCtx,
    flow: &FlowId,
    ids: &[RejectedRowId],
) -> Result<Replay> {
    let plan = Arc::new(Plan::load(parts, ctx, flow).await?);
    let mut replay = Replay::default();
    if !ids.is_empty() {
        for part in ids.chunks(usize::try_from(BATCH).unwrap_or(1)) {
            let rows = named(parts, ctx, flow, part).await?;
            batch(parts, ctx, &plan, rows, &mut replay).await?;
        }
        return Ok(replay);
    }
    while replay.still_rejected.len() < MAX_ROWS {
        // Rows taken leave the list, so what is still refused is what to skip.
        let offset = u64::try_from(replay.still_rejected.len()).unwrap_or(u64::MAX);
        let page = Page { limit: BATCH, offset };
        let rows = parts.store.read().await?.rejected_rows(ctx, flow, false, page).await?.items;
        if rows.is_empty() {
            break;
        }
        batch(parts, ctx, &plan, rows, &mut replay).await?;
    }
    Ok(replay)
}

async fn named(
    parts: &Parts,
    ctx: &TenantCtx,
    flow: &FlowId,
    ids: &[RejectedRowId],
) -> Result<Vec<RejectedRow>> {
    let mut conn = parts.store.read().await?;
    let mut rows = Vec::with_capacity(ids.len());
    for id in ids {
        let row = conn.rejected_row(ctx, id).await?.filter(|row| row.flow == *flow);
        let row = row.ok_or_else(|| Error::not_found("rejected row"))?;
        if row.replayed_at.is_none() && !rows.iter().any(|r: &RejectedRow| r.id == row.id) {
            rows.push(row);
        }
    }
    Ok(rows)
}

/// Tries a batch and reads back what became of it.
async fn batch(
    parts: &Parts,
    ctx: &TenantCtx,
    plan: &Arc<Plan>,
    rows: Vec<RejectedRow>,
    replay: &mut Replay,
) -> Result<()> {
    let ids: Vec<RejectedRowId> = rows.iter().map(|row| row.id.clone()).collect();
    let (owner, plan) = (ctx.clone(), plan.clone());
    let replayed = parts
        .store
        .write(move |tx| Box::pin(async move { take(tx, &owner, &plan, rows).await }))
        .await?;
    replay.replayed += replayed;
    let mut conn = parts.store.read().await?;
    for id in ids {
        if let Some(row) = conn.rejected_row(ctx, &id).await?
            && row.replayed_at.is_none()
        {
            replay.still_rejected.push(StillRejected { id, errors: row.errors });
        }
    }
    Ok(())
}

async fn take(tx: &mut Tx, ctx: &TenantCtx, plan: &Plan, rows: Vec<RejectedRow>) -> Result<u64> {
    let flow = &plan.flow;
    if tx.lock_flow(ctx, &flow.id).await? != Some(flow.version) {
        let detail = "The data flow changed meanwhile; replay again.";
        return Err(Error::new(Code::Conflict, detail));
    }
    let Some(run) = rows.first().map(|row| row.run.clone()) else { return Ok(0) };
    let env = tx.env().clone();
    let items: Vec<_> = rows
        .into_iter()
        // A row too large to keep can only be read again; it stays refused.
        .filter(|row| !row.source.is_null())
        .map(|row| intake::read(plan, &env, row.source))
        .collect();
    let tried = u64::try_from(items.len()).unwrap_or(u64::MAX);
    let written = checkpoint::write(tx, ctx, plan, &run, items, true).await?;
    let replayed = tried.saturating_sub(written.rejected);
    let data = json!({ "flow": flow.id, "replayed": replayed, "rejected": written.rejected });
    tx.emit(ctx, EventType::RowsReplayed, flow.id.as_str(), data.clone()).await?;
    tx.audit(ctx, "flow.rows_replayed", flow.id.as_str(), data).await?;
    Ok(replayed)
}
