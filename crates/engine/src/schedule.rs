//! The clock as a trigger. A slot is part of the dedupe key of the run it starts, so that two ticks
//! on the same slot, or two processes, start one run.

use connectus_core::{Error, Result, TenantCtx, Timestamp, event::EventType, workflow::Definition};
use connectus_store::{Conn, StoreResult, workflows::WorkflowRow};
use serde_json::json;

use crate::{flows, parts::Parts, workflows};

/// Workflows started by one look at the clock; the rest follows at the next look.
const BATCH: u32 = 100;

/// Starts what is due.
///
/// # Errors
/// What the database says.
pub async fn tick(parts: &Parts, now: Timestamp) -> Result<()> {
    let due = parts.store.read().await?.due_workflows(now, BATCH).await?;
    for workflow in due {
        match start(parts, &workflow, now).await {
            // One that cannot be started now, or ever, must not keep the others from starting.
            Err(error) if !error.is_transient() => give_up(parts, &workflow, &error).await?,
            other => other?,
        }
    }
    flows::start_due(parts, now).await
}

/// Marks a workflow whose schedule cannot be followed as one that needs mending.
async fn give_up(parts: &Parts, workflow: &WorkflowRow, error: &Error) -> Result<()> {
    tracing::error!(
        action = "schedule.start",
        service = "engine",
        status = "failure",
        workflow = %workflow.id,
        error = %error,
        cause = error.cause.as_deref(),
        "a scheduled workflow cannot be started; it is in status `error` now"
    );
    let ctx = TenantCtx::system(workflow.tenant.clone());
    let (id, name) = (workflow.id.clone(), workflow.name.clone());
    let reason = error.detail.clone();
    parts
        .store
        .write(move |tx| {
            Box::pin(async move {
                tx.break_workflow(&ctx, &id).await?;
                let data = json!({ "name": name, "status": "error", "reason": reason });
                tx.emit(&ctx, EventType::WorkflowUpdated, id.as_str(), data).await
            })
        })
        .await
}

/// When something is due next.
///
/// # Errors
/// What the database says.
pub async fn next_due(conn: &mut Conn) -> StoreResult<Option<Timestamp>> {
    let due = [conn.next_workflow_due().await?, conn.next_flow_due().await?];
    Ok(due.into_iter().flatten().min())
}

/// Starts the slot that is due, once, and moves on to the first slot after now: slots missed while
/// the process was down are made up for by one run.
async fn start(parts: &Parts, workflow: &WorkflowRow, now: Timestamp) -> Result<()> {
    let Some(slot) = workflow.next_due_at else { return Ok(()) };
    let ctx = TenantCtx::system(workflow.tenant.clone());
    let mut conn = parts.store.read().await?;
    let zone = conn.tenant(ctx.tenant()).await?.map_or_else(|| "UTC".into(), |t| t.timezone);
    let text = conn.definition(&ctx, &workflow.definition_hash).await?;
    drop(conn);
    let definition: Definition = serde_json::from_str(&text).map_err(Error::internal)?;
    let schedule = workflows::schedule_of(&definition, &zone, &workflow.id)?;
    let next = schedule.and_then(|schedule| schedule.next_after(now));
    let mut new = workflows::new_run(workflow, "schedule", json!({ "scheduled_at": slot }));
    new.dedupe_key = Some(format!("schedule:{}:{}", workflow.id, slot.0));
    let id = workflow.id.clone();
    parts
        .store
        .write(move |tx| {
            Box::pin(async move {
                // Someone who changed the workflow meanwhile planned its next slot anew.
                if tx.move_workflow_due(&ctx, &id, slot, next).await? {
                    tx.insert_run(&ctx, new).await?;
                }
                Ok(())
            })
        })
        .await
}
