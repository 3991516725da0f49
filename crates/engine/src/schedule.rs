//! The clock as a trigger. A slot is part of the dedupe key of the run it starts, so that two ticks
//! on the same slot, or two processes, start one run.

use connectus_core::{
    Error, Result, TenantCtx, Timestamp,
    workflow::Definition,
};
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
        start(parts, workflow, now).await?;
    }
    flows::start_due(parts, now).await
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
async fn start(parts: &Parts, workflow: WorkflowRow, now: Timestamp) -> Result<()> {
    let ctx = TenantCtx::system(workflow.tenant.clone());
    let mut conn = parts.store.read().await?;
    let zone = conn.tenant(ctx.tenant()).await?.map_or_else(|| "UTC".into(), |t| t.timezone);
    let text = conn.definition(&ctx, &workflow.definition_hash).await?;
    drop(conn);
    let definition: Definition = serde_json::from_str(&text).map_err(Error::internal)?;
    let schedule = workflows::schedule_of(&definition, &zone, &workflow.id)?;
    let next = schedule.and_then(|schedule| schedule.next_after(now));
    let slot = workflow.next_due_at.unwrap_or(now);
    let mut new = workflows::new_run(&workflow, "schedule", json!({ "scheduled_at": slot }));
    new.dedupe_key = Some(format!("schedule:{}:{}", workflow.id, slot.0));
    parts
        .store
        .write(move |tx| {
            Box::pin(async move {
                tx.insert_run(&ctx, new).await?;
                tx.move_workflow_due(&ctx, &workflow.id, next).await?;
                Ok(())
            })
        })
        .await
}
