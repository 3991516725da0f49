//! Starts runs for events, out of the event log.

use connectus_core::{
    Code, Error, Result, TenantCtx, WorkflowId,
    drill::Site,
    event::Event,
    run::{Run, WorkflowStatus},
    workflow::trigger::{EventWatch, MAX_CHAIN, Watch, WorkflowWatch},
};
use connectus_store::{runs::NewRun, workflow_watches::WatchBehind, workflows::WorkflowRow};
use serde_json::{Value, json};

use super::{chain, give_up, run_of, trigger_of};
use crate::parts::Parts;

/// Events looked at in one transaction.
const PAGE: u32 = 100;
/// Workflows looked after by one look.
const BATCH: u32 = 50;
/// Runs of one workflow that events start in a minute; further events wait in the log.
pub const MAX_STARTS_A_MINUTE: u32 = 600;

/// Starts what events ask for. Whether it got any further.
///
/// # Errors
/// What the database says.
pub(crate) async fn look(parts: &Parts) -> Result<bool> {
    let behind = parts.store.read().await?.watches_behind(BATCH).await?;
    let mut worked = false;
    for behind in behind {
        let ctx = TenantCtx::system(behind.tenant.clone());
        worked |= match follow(parts, &ctx, &behind).await {
            // One that cannot be followed must not keep the others waiting.
            Err(error) if !error.is_transient() && error.code == Code::Invalid => {
                let row = parts.store.read().await?.workflow(&ctx, &behind.workflow).await?;
                if let Some(row) = row {
                    give_up(parts, &ctx, &row, error.detail).await?;
                }
                true
            }
            other => other?,
        };
    }
    Ok(worked)
}

/// Looks at the next events for one workflow. Whether it got any further.
async fn follow(parts: &Parts, ctx: &TenantCtx, behind: &WatchBehind) -> Result<bool> {
    let mut conn = parts.store.read().await?;
    let Some(workflow) = conn.workflow(ctx, &behind.workflow).await? else { return Ok(false) };
    let trigger = trigger_of(&workflow).ok_or_else(|| Error::invalid("trigger", "is unknown"))?;
    let watch = trigger.watch("UTC", workflow.id.as_str())?;
    let minute_ago = parts.env().now().plus_secs(-60);
    let most = MAX_STARTS_A_MINUTE;
    let started = conn.runs_started_since(ctx, &workflow.id, minute_ago, most).await?;
    let room = most.saturating_sub(started).min(PAGE);
    if workflow.status != WorkflowStatus::Active || room == 0 {
        return Ok(false);
    }
    let events = conn.events_after(ctx, behind.seq, room).await?;
    // A page may hold nothing but events of types this version does not know.
    let newest = conn.last_event_seq(ctx).await?;
    let unknown = newest.min(behind.seq.saturating_add(u64::from(room)));
    let last = events.last().map_or(unknown, |event| event.seq);
    if last <= behind.seq {
        return Ok(false);
    }
    drop(conn);
    let mut runs = Vec::new();
    for event in &events {
        let asked = match &watch {
            Watch::Event(watch) => asked_by_event(parts, ctx, &workflow, watch, event).await?,
            Watch::Workflow(watch) => asked_by_end(parts, ctx, &workflow, watch, event).await?,
            _ => None,
        };
        runs.extend(asked);
    }
    start(parts, ctx, behind, last, runs).await
}

async fn start(
    parts: &Parts,
    ctx: &TenantCtx,
    behind: &WatchBehind,
    last: u64,
    runs: Vec<NewRun>,
) -> Result<bool> {
    let (ctx, behind) = (ctx.clone(), behind.clone());
    parts
        .store
        .write_at(&[Site::Trigger], move |tx| {
            Box::pin(async move {
                if !tx.advance_watch(&ctx, &behind, last).await? {
                    return Ok(false);
                }
                for new in runs {
                    tx.insert_run(&ctx, new).await?;
                }
                Ok(true)
            })
        })
        .await
}

async fn asked_by_event(
    parts: &Parts,
    ctx: &TenantCtx,
    workflow: &WorkflowRow,
    watch: &EventWatch,
    event: &Event,
) -> Result<Option<NewRun>> {
    // What happens to the workflow itself is its owner's doing, not news for it.
    if !watch.covers(event) || event.subject == workflow.id.as_str() {
        return Ok(None);
    }
    let chain = match chain::run_behind(parts, ctx, event).await? {
        Some(run) => chain::of_run(parts, ctx, run).await?,
        None => Vec::new(),
    };
    if is_loop(workflow, &chain, event) {
        return Ok(None);
    }
    let input = json!({
        "event": event.kind,
        "event_id": event.id,
        "seq": event.seq,
        "subject": event.subject,
        "occurred_at": event.at,
        "data": event.data,
        "chain": chain,
    });
    Ok(Some(run_of(workflow, "event", input, key(event, workflow))))
}

async fn asked_by_end(
    parts: &Parts,
    ctx: &TenantCtx,
    workflow: &WorkflowRow,
    watch: &WorkflowWatch,
    event: &Event,
) -> Result<Option<NewRun>> {
    if !watch.covers(event.kind) {
        return Ok(None);
    }
    let Some(run) = chain::run_behind(parts, ctx, event).await? else { return Ok(None) };
    let id = WorkflowId::trusted(run.subject_id.as_str());
    let ended = parts.store.read().await?.workflow(ctx, &id).await?;
    let Some(ended) = ended else { return Ok(None) };
    if ended.id.as_str() != watch.workflow && ended.name != watch.workflow {
        return Ok(None);
    }
    let chain = chain::of_run(parts, ctx, run.clone()).await?;
    if is_loop(workflow, &chain, event) {
        return Ok(None);
    }
    let input = end_input(&ended, &parts.store.blobs().whole(run).await?, &chain);
    Ok(Some(run_of(workflow, "workflow", input, key(event, workflow))))
}

fn end_input(ended: &WorkflowRow, run: &Run, chain: &[String]) -> Value {
    json!({
        "workflow": ended.name,
        "workflow_id": ended.id,
        "run_id": run.id,
        "status": run.status,
        "input": run.input,
        "output": run.output,
        "error": run.error,
        "finished_at": run.finished_at,
        "chain": chain,
    })
}

fn key(event: &Event, workflow: &WorkflowRow) -> String {
    format!("event:{}:{}", event.id, workflow.id)
}

/// Whether starting this workflow would go round in a circle, or too far from where it began.
fn is_loop(workflow: &WorkflowRow, chain: &[String], event: &Event) -> bool {
    let round = chain.iter().any(|id| id == workflow.id.as_str());
    let looping = round || chain.len() >= MAX_CHAIN;
    if looping {
        metrics::counter!("connectus_trigger_loops_total").increment(1);
        tracing::warn!(
            action = "trigger.event",
            service = "engine",
            status = "refused",
            workflow = %workflow.id,
            event = %event.id,
            chain = chain.join(" > "),
            "an event does not start this workflow: the workflow had a part in bringing it about"
        );
    }
    looping
}
