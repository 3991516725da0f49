//! The clock as a trigger. A slot is part of the dedupe key of the run it starts, so that two ticks
//! on the same slot, or two processes, start one run.

use connectus_core::{
    Error, Result, TenantCtx, Timestamp,
    drill::Site,
    workflow::trigger::{Clockwork, MAX_MADE_UP, MISSED_AFTER_SECS, Missed},
};
use connectus_store::{Conn, StoreResult, runs::NewRun, workflows::WorkflowRow};
use serde_json::json;

use crate::{flows, parts::Parts, triggers};

/// Workflows started by one look at the clock; the rest follows at the next look.
const BATCH: u32 = 100;

/// Starts what is due.
///
/// # Errors
/// What the database says.
pub async fn tick(parts: &Parts, now: Timestamp) -> Result<()> {
    let due = parts.store.read().await?.due_workflows("schedule", now, BATCH).await?;
    for workflow in due {
        match start(parts, &workflow, now).await {
            // One that cannot be started now, or ever, must not keep the others from starting.
            Err(error) if !error.is_transient() => {
                let ctx = TenantCtx::system(workflow.tenant.clone());
                triggers::give_up(parts, &ctx, &workflow, error.detail).await?;
            }
            other => other?,
        }
    }
    flows::start_due(parts, now).await
}

/// When something is due next.
///
/// # Errors
/// What the database says.
pub async fn next_due(conn: &mut Conn) -> StoreResult<Option<Timestamp>> {
    let due = [conn.next_workflow_due("schedule").await?, conn.next_flow_due().await?];
    Ok(due.into_iter().flatten().min())
}

/// Starts what is due, once for each slot, and moves on to the first slot after now. What becomes
/// of slots that were missed while the process was down is the schedule's to say.
async fn start(parts: &Parts, workflow: &WorkflowRow, now: Timestamp) -> Result<()> {
    let Some(slot) = workflow.next_due_at else { return Ok(()) };
    let ctx = TenantCtx::system(workflow.tenant.clone());
    let zone = triggers::time_zone(parts, &ctx).await?;
    let trigger = triggers::trigger_of(workflow).ok_or_else(|| Error::not_found("trigger"))?;
    let Some(clockwork) = trigger.schedule(&zone, workflow.id.as_str())? else { return Ok(()) };
    // Whether the definition is there, before a slot is spent on it.
    parts.store.read().await?.definition(&ctx, &workflow.definition_hash).await?;
    let next = clockwork.schedule.next_after(now);
    let runs: Vec<NewRun> = slots(&clockwork, slot, now)
        .into_iter()
        .map(|slot| {
            let key = format!("schedule:{}:{}", workflow.id, slot.0);
            triggers::run_of(workflow, "schedule", json!({ "scheduled_at": slot }), key)
        })
        .collect();
    let id = workflow.id.clone();
    parts
        .store
        .write_at(&[Site::Slot], move |tx| {
            Box::pin(async move {
                // Someone who changed the workflow meanwhile planned its next slot anew.
                if tx.move_workflow_due(&ctx, &id, slot, next).await? {
                    for new in runs {
                        tx.insert_run(&ctx, new).await?;
                    }
                }
                Ok(())
            })
        })
        .await
}

/// The slots from `slot` to `now` that get a run.
fn slots(clockwork: &Clockwork, slot: Timestamp, now: Timestamp) -> Vec<Timestamp> {
    let following = |slot: &Timestamp| clockwork.schedule.next_after(*slot);
    match clockwork.missed {
        Missed::One => vec![slot],
        Missed::All => std::iter::successors(Some(slot), following)
            .take_while(|slot| *slot <= now)
            .take(MAX_MADE_UP)
            .collect(),
        // The newest slot may still be in time when earlier ones are not.
        Missed::Skip => {
            let in_time = now.plus_secs(-MISSED_AFTER_SECS - 1);
            let newest = match slot > in_time {
                true => Some(slot),
                false => clockwork.schedule.next_after(in_time),
            };
            newest.filter(|slot| *slot <= now).into_iter().collect()
        }
    }
}
