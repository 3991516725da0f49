//! Trying refused rows again, with the mapping as it is now.

use std::sync::Arc;

use connectus_core::{
    Code, Error, FlowId, Page, RejectedRowId, Result, TenantCtx, event::EventType, flow::Leg,
};
use connectus_store::{Tx, rejected::RejectedRow};
use serde::Serialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    parts::Parts,
    sync::{
        checkpoint, intake,
        plan::Plan,
        push::{Push, Pushed},
        settle::Settled,
    },
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
    let (sent, taken): (Vec<_>, Vec<_>) =
        rows.into_iter().partition(|row| row.leg == Leg::Outbound);
    if !sent.is_empty() {
        send(parts, ctx, plan, sent).await?;
    }
    let (owner, plan) = (ctx.clone(), plan.clone());
    parts
        .store
        .write(move |tx| Box::pin(async move { take(tx, &owner, &plan, taken).await }))
        .await?;
    let mut conn = parts.store.read().await?;
    for id in ids {
        if let Some(row) = conn.rejected_row(ctx, &id).await?
            && row.replayed_at.is_none()
        {
            replay.still_rejected.push(StillRejected { id, errors: row.errors });
        } else {
            replay.replayed += 1;
        }
    }
    Ok(())
}

/// Sends records again as they are now; one that is gone is refused no more.
async fn send(
    parts: &Parts,
    ctx: &TenantCtx,
    plan: &Arc<Plan>,
    rows: Vec<RejectedRow>,
) -> Result<()> {
    let (Some(out), Some(run)) = (&plan.outgoing, rows.first().map(|row| row.run.clone())) else {
        return Ok(());
    };
    let keys: Vec<&str> = rows.iter().map(|row| row.source_key.as_str()).collect();
    let mut conn = parts.store.read().await?;
    let records = conn.records_by_keys(ctx, &plan.flow.destination, &keys).await?;
    drop(conn);
    let here = |key: &str| records.iter().any(|record| record.key == key);
    let gone: Vec<String> =
        keys.iter().filter(|key| !here(key)).map(|key| (*key).to_owned()).collect();
    let trial = parts.env().id::<RejectedRowId>().to_string();
    let cancel = CancellationToken::new();
    let settle = Settled::Replay(run, trial);
    let push = Push { parts, ctx, plan, out, settle, cancel: &cancel };
    let pushed = match push.settled(gone).await? {
        Pushed::All => push.records(records).await?,
        changed @ Pushed::FlowChanged => changed,
    };
    if let Pushed::FlowChanged = pushed {
        return Err(changed());
    }
    let (ctx, flow, tried) = (ctx.clone(), plan.flow.id.clone(), rows.len());
    let data = json!({ "flow": flow, "sent_again": tried });
    parts
        .store
        .write(move |tx| {
            Box::pin(async move {
                tx.emit(&ctx, EventType::RowsReplayed, flow.as_str(), data.clone()).await?;
                tx.audit(&ctx, "flow.rows_replayed", flow.as_str(), data).await
            })
        })
        .await
}

fn changed() -> Error {
    Error::new(Code::Conflict, "The data flow changed meanwhile; replay again.")
}

async fn take(tx: &mut Tx, ctx: &TenantCtx, plan: &Plan, rows: Vec<RejectedRow>) -> Result<u64> {
    let flow = &plan.flow;
    if tx.lock_flow(ctx, &flow.id).await? != Some(flow.version) {
        return Err(changed());
    }
    let Some(run) = rows.first().map(|row| row.run.clone()) else { return Ok(0) };
    let env = tx.env().clone();
    let items: Vec<_> = rows
        .into_iter()
        // A row too large to keep can only be read again; it stays refused.
        .filter(|row| !row.source.is_null())
        .map(|row| intake::read_redacted(plan, &env, row.source))
        .collect();
    let tried = u64::try_from(items.len()).unwrap_or(u64::MAX);
    let written = checkpoint::write(tx, ctx, plan, &run, items, true).await?;
    let replayed = tried.saturating_sub(written.rejected);
    let data = json!({ "flow": flow.id, "replayed": replayed, "rejected": written.rejected });
    tx.emit(ctx, EventType::RowsReplayed, flow.id.as_str(), data.clone()).await?;
    tx.audit(ctx, "flow.rows_replayed", flow.id.as_str(), data).await?;
    Ok(replayed)
}
