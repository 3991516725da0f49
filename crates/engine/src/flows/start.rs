//! Starting syncs: by hand, by schedule, all of an integration. One flow has one open run.

use connectus_core::{
    Code, Error, FlowId, IntegrationId, Page, Result, TenantCtx, Timestamp,
    drill::Site,
    event::EventType,
    flow::{DataFlow, FlowStatus},
    integration::IntegrationStatus,
    run::{Run, RunKind},
    schedule::Schedule,
};
use connectus_store::{Tx, flows::FlowFilter, runs::NewRun};
use serde_json::json;

use crate::parts::Parts;

/// Flows started by one look at the clock; the rest follows at the next look.
const DUE_BATCH: u32 = 100;

/// Starts a sync of a flow now. While one is open, that one is returned.
///
/// # Errors
/// `not_found` for an unknown flow.
pub async fn sync_now(parts: &Parts, ctx: &TenantCtx, flow: &FlowId, trigger: &str) -> Result<Run> {
    let (ctx, flow, trigger) = (ctx.clone(), flow.clone(), trigger.to_owned());
    parts
        .store
        .write(move |tx| {
            Box::pin(async move {
                let (run, new) = start(tx, &ctx, &flow, &trigger, None).await?;
                if new {
                    let about = json!({ "subject_id": flow, "trigger": trigger });
                    tx.emit(&ctx, EventType::RunCreated, run.id.as_str(), about).await?;
                    let detail = json!({ "run": run.id, "trigger": trigger });
                    tx.audit(&ctx, "flow.sync_requested", flow.as_str(), detail).await?;
                }
                Ok(run)
            })
        })
        .await
}

/// Starts a sync that reads everything again, and so finds what is gone at the provider.
///
/// # Errors
/// `not_found` for an unknown flow, `conflict` while it is at work.
pub async fn resync(parts: &Parts, ctx: &TenantCtx, flow: &FlowId) -> Result<Run> {
    let (ctx, flow) = (ctx.clone(), flow.clone());
    parts
        .store
        .write(move |tx| {
            Box::pin(async move {
                must_rest(tx, &ctx, &flow).await?;
                tx.clear_flow_cursor(&ctx, &flow).await?;
                tx.clear_flow_scan(&ctx, &flow).await?;
                let (run, _) = start(tx, &ctx, &flow, "manual", None).await?;
                let about = json!({ "subject_id": flow, "trigger": "manual" });
                tx.emit(&ctx, EventType::RunCreated, run.id.as_str(), about).await?;
                let detail = json!({ "run": run.id });
                tx.audit(&ctx, "flow.resync_requested", flow.as_str(), detail).await?;
                Ok(run)
            })
        })
        .await
}

/// Starts a sync of every active flow of an integration.
///
/// # Errors
/// `not_found` for an unknown integration, `conflict` when it has no active flow.
pub async fn sync_all(
    parts: &Parts,
    ctx: &TenantCtx,
    integration: &IntegrationId,
    trigger: &str,
) -> Result<Vec<Run>> {
    let filter = FlowFilter {
        integration: Some(integration.clone()),
        status: Some(FlowStatus::Active),
        direction: None,
    };
    let mut conn = parts.store.read().await?;
    if !conn.integration_providers(ctx).await?.iter().any(|(id, _)| id == integration) {
        return Err(Error::not_found("integration"));
    }
    let page = Page { limit: u32::MAX, offset: 0 };
    let flows = conn.flows(ctx, &filter, page).await?.items;
    drop(conn);
    if flows.is_empty() {
        return Err(Error::new(
            Code::Conflict,
            "This integration has no active data flow. Create one, or set one to `active`.",
        ));
    }
    let mut runs = Vec::with_capacity(flows.len());
    for flow in flows {
        runs.push(sync_now(parts, ctx, &flow.id, trigger).await?);
    }
    Ok(runs)
}

/// Starts what is due. A slot is part of the key of the run it starts and moves in the same
/// transaction, so that two ticks, or two processes, start one run. Slots missed while nobody
/// looked are made up for by one run.
///
/// # Errors
/// What the database says.
pub async fn start_due(parts: &Parts, now: Timestamp) -> Result<()> {
    let due = parts.store.read().await?.due_flows(now, DUE_BATCH).await?;
    for flow in due {
        start_slot(parts, flow, now).await?;
    }
    Ok(())
}

async fn start_slot(parts: &Parts, flow: DataFlow, now: Timestamp) -> Result<()> {
    let Some(slot) = flow.next_due_at else { return Ok(()) };
    let ctx = TenantCtx::system(flow.tenant.clone());
    let mut conn = parts.store.read().await?;
    let zone = conn.tenant(ctx.tenant()).await?.map_or_else(|| "UTC".into(), |t| t.timezone);
    let integration = conn.integration(&ctx, &flow.integration).await?;
    drop(conn);
    // A schedule that no longer reads, in a zone that no longer exists, is due never.
    let next = flow.schedule(&zone).ok().and_then(|schedule: Schedule| schedule.next_after(now));
    let idle = integration.is_none_or(|integration| {
        let status = integration.status;
        matches!(status, IntegrationStatus::Paused | IntegrationStatus::Disconnected)
    });
    parts
        .store
        .write_at(&[Site::Slot], move |tx| {
            Box::pin(async move {
                if tx.move_flow_due(&ctx, &flow.id, slot, next).await? && !idle {
                    start(tx, &ctx, &flow.id, "schedule", Some(slot)).await?;
                }
                Ok(())
            })
        })
        .await
}

/// Starts a run unless one is open. The flag says whether it is new.
async fn start(
    tx: &mut Tx,
    ctx: &TenantCtx,
    flow: &FlowId,
    trigger: &str,
    slot: Option<Timestamp>,
) -> Result<(Run, bool)> {
    if let Some(open) = open_run(tx, ctx, flow).await? {
        return Ok((open, false));
    }
    let input = json!({ "flow": flow, "scheduled_at": slot });
    let mut new = NewRun::new(RunKind::Sync, flow.as_str(), trigger, input);
    new.dedupe_key = slot.map(|slot| format!("sync:{flow}:{}", slot.0));
    let (run, inserted) = tx.insert_run(ctx, new).await?;
    tx.note_flow_run(ctx, flow, &run.id).await?;
    Ok((run, inserted))
}

/// The open run of a flow, which is locked, so that no other can come before this one's.
pub(crate) async fn open_run(tx: &mut Tx, ctx: &TenantCtx, flow: &FlowId) -> Result<Option<Run>> {
    if tx.lock_flow(ctx, flow).await?.is_none() {
        return Err(Error::not_found("data flow"));
    }
    Ok(tx.open_run_of(ctx, flow.as_str()).await?)
}

/// Holds a flow that is not at work, so that nothing else begins with it.
///
/// # Errors
/// `not_found` for an unknown flow, `conflict`, naming the run, while it is at work.
pub(super) async fn must_rest(tx: &mut Tx, ctx: &TenantCtx, flow: &FlowId) -> Result<()> {
    let Some(open) = open_run(tx, ctx, flow).await? else { return Ok(()) };
    let detail = format!("The data flow is at work: run {}. Wait for its end.", open.id);
    Err(Error::new(Code::Conflict, detail).with("run", open.id.to_string()))
}
