//! What becomes of a flow whose source has changed: people are told of the fields, and the flow
//! goes on, takes them in, or stops before the first record that differs.

use std::sync::Arc;

use connectus_core::{
    Code, Error, Result, RunId, TenantCtx,
    event::EventType,
    flow::{
        DataFlow, FlowStatus, SchemaChanges,
        mapping::MAX_FIELDS,
        shape::{Drift, Noticed, Watch},
    },
};
use connectus_store::Tx;
use serde_json::json;

use super::{fields, plan::Plan};
use crate::{
    health::{self, Problem},
    parts::Parts,
};

/// What health log entries call it.
const OPERATION: &str = "schema";

/// What looks at the records of a flow as they are read.
pub(super) fn watch(plan: &Plan) -> Watch {
    let declared = fields::declared(&plan.described, &plan.flow.stream);
    Watch::new(plan.shape.clone(), plan.mapping.sources(), declared)
}

/// Tells of a change, in the transaction that writes the records in which it was seen.
pub(super) async fn tell(
    tx: &mut Tx,
    ctx: &TenantCtx,
    run: &RunId,
    flow: &DataFlow,
    drift: &Drift,
    mapped: &[String],
) -> Result<String> {
    let policy = flow.options.schema_changes;
    let what = drift.describe();
    let data = json!({
        "run": run, "policy": policy, "added": drift.added, "vanished": drift.vanished,
        "changed": drift.changed, "mapped": mapped,
    });
    tx.emit(ctx, EventType::FlowSchemaChanged, flow.id.as_str(), data).await?;
    let then = match policy {
        SchemaChanges::Pause => {
            "The flow is paused and has read nothing of it. Look at its mapping, then set its \
             status to `active`: it goes on where it stopped."
                .to_owned()
        }
        SchemaChanges::Add if !mapped.is_empty() => {
            let names: Vec<String> = mapped.iter().map(|name| format!("`{name}`")).collect();
            format!(
                "The flow maps {} from now on; sync it in full to have them of older records.",
                names.join(", ")
            )
        }
        SchemaChanges::Add | SchemaChanges::Ignore => "The flow goes on as it is.".to_owned(),
    };
    let detail = format!("The fields of `{}` changed; {what}. {then}", flow.stream);
    let problem = Problem {
        integration: Some(flow.integration.clone()),
        operation: OPERATION.to_owned(),
        error: Error::new(Code::Conflict, format!("Data flow `{}`: {detail}", flow.name)),
        run: Some(run.clone()),
    };
    health::report_in(tx, ctx, &problem).await?;
    Ok(detail)
}

/// Takes a change in, or pauses the flow because of it. What was read before is written already.
/// Returns normally when the flow is to be planned again.
///
/// # Errors
/// `conflict`, saying why and how to go on, when the flow is paused.
pub(super) async fn halted(
    parts: &Parts,
    ctx: &TenantCtx,
    run: &RunId,
    plan: &Arc<Plan>,
    noticed: Noticed,
) -> Result<()> {
    let (ctx, run, plan) = (ctx.clone(), run.clone(), plan.clone());
    let paused = parts
        .store
        .write(move |tx| Box::pin(async move { take_in(tx, &ctx, &run, &plan, &noticed).await }));
    match paused.await? {
        None => Ok(()),
        Some(reason) => Err(Error::new(Code::Conflict, reason)),
    }
}

/// Why the flow is paused, where it is.
async fn take_in(
    tx: &mut Tx,
    ctx: &TenantCtx,
    run: &RunId,
    plan: &Plan,
    noticed: &Noticed,
) -> Result<Option<String>> {
    let id = &plan.flow.id;
    if tx.lock_flow(ctx, id).await? != Some(plan.flow.version) {
        return Ok(None);
    }
    // As it is now: what is due has moved since it was planned.
    let flow = tx.flow(ctx, id).await?;
    let mut flow = flow.ok_or_else(|| Error::not_found("data flow"))?;
    tx.put_flow_shape(ctx, id, &noticed.shape).await?;
    let pauses = flow.options.schema_changes == SchemaChanges::Pause;
    let mapped = if pauses { Vec::new() } else { add(&mut flow, &noticed.drift.added) };
    let detail = tell(tx, ctx, run, &flow, &noticed.drift, &mapped).await?;
    if pauses {
        (flow.status, flow.next_due_at) = (FlowStatus::Paused, None);
        flow.status_reason = Some(detail.clone());
    }
    if pauses || !mapped.is_empty() {
        tx.update_flow(&flow).await?;
        let action = if pauses { "flow.paused" } else { "flow.fields_added" };
        let about = json!({ "run": run, "fields": mapped, "reason": flow.status_reason });
        tx.emit(
            ctx,
            EventType::FlowUpdated,
            id.as_str(),
            json!({
                "name": flow.name, "status": flow.status, "integration": flow.integration,
            }),
        )
        .await?;
        tx.audit(ctx, action, id.as_str(), about).await?;
    }
    Ok(pauses.then_some(detail))
}

/// Maps new fields to fields of their own names. Returns those for which there was room.
fn add(flow: &mut DataFlow, added: &[String]) -> Vec<String> {
    let mut mapped = Vec::new();
    for name in added {
        let taken = flow.target_fields.contains(name) || flow.source_fields.contains(name);
        if taken || flow.source_fields.len() >= MAX_FIELDS {
            continue;
        }
        flow.source_fields.push(name.clone());
        flow.target_fields.push(name.clone());
        mapped.push(name.clone());
    }
    mapped
}
