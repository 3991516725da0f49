//! Plans of syncs: having one made, looking at it, applying it.

use connectus_core::{
    Code, Error, FlowId, FlowPlanId, Page, Result, TenantCtx,
    event::EventType,
    flow::Leg,
    page::Listing,
    run::{Run, RunKind},
};
use connectus_store::{
    Tx,
    plans::{FlowPlan, PlanRow},
    runs::NewRun,
};
use serde_json::json;

use super::start::must_rest;
use crate::{
    parts::Parts,
    sync::planned::{Standing, Task, input, stale},
};

/// Hours that a plan can be applied.
pub const PLAN_HOURS: i64 = 24;

/// Has a plan made of what a sync of a flow would do. A run makes it.
///
/// # Errors
/// `not_found` for an unknown flow, `conflict` while the flow syncs.
pub async fn make_plan(parts: &Parts, ctx: &TenantCtx, flow: &FlowId) -> Result<(FlowPlan, Run)> {
    let (ctx, id, flow) = (ctx.clone(), parts.env().id::<FlowPlanId>(), flow.clone());
    let now = parts.env().now();
    parts
        .store
        .write(move |tx| {
            Box::pin(async move {
                let run = begin(tx, &ctx, &flow, &Task::Make(id.clone())).await?;
                let base = Standing::of(tx, &ctx, &flow).await?;
                let flow = tx.flow(&ctx, &flow).await?;
                let flow = flow.ok_or_else(|| Error::not_found("data flow"))?;
                let made = FlowPlan {
                    id,
                    flow: flow.id.clone(),
                    flow_version: flow.version,
                    state: "making".to_owned(),
                    base: json!(base),
                    reached: json!(base),
                    counts: json!({}),
                    run: run.id.clone(),
                    created_by: ctx.actor().user().cloned(),
                    created_at: now,
                    expires_at: now.plus_secs(PLAN_HOURS * 3_600),
                };
                tx.insert_plan(&ctx, &made).await?;
                let detail = json!({ "plan": made.id, "run": run.id });
                tx.audit(&ctx, "flow.plan_requested", flow.id.as_str(), detail).await?;
                Ok((made, run))
            })
        })
        .await
}

/// A plan of a flow.
///
/// # Errors
/// `not_found`.
pub async fn plan(
    parts: &Parts,
    ctx: &TenantCtx,
    flow: &FlowId,
    id: &FlowPlanId,
) -> Result<FlowPlan> {
    let found = parts.store.read().await?.plan(ctx, id).await?;
    found.filter(|plan| plan.flow == *flow).ok_or_else(|| Error::not_found("plan"))
}

/// Rows of a plan, by the way they travel and by key.
///
/// # Errors
/// `not_found`.
pub async fn plan_rows(
    parts: &Parts,
    ctx: &TenantCtx,
    plan: &FlowPlan,
    (leg, kind): (Option<Leg>, Option<&str>),
    page: Page,
) -> Result<Listing<PlanRow>> {
    let mut conn = parts.store.read().await?;
    Ok(conn.plan_rows(ctx, &plan.id, leg, kind, page).await?)
}

/// Applies a plan: a run does exactly what it says.
///
/// # Errors
/// `conflict` when it is not ready, or can be seen to be stale already.
pub async fn apply_plan(parts: &Parts, ctx: &TenantCtx, plan: &FlowPlan) -> Result<Run> {
    let (ctx, id, flow) = (ctx.clone(), plan.id.clone(), plan.flow.clone());
    parts
        .store
        .write(move |tx| {
            Box::pin(async move {
                let found = tx.plan(&ctx, &id).await?;
                let mut made = found.ok_or_else(|| Error::not_found("plan"))?;
                match made.state.as_str() {
                    "ready" | "applying" => {}
                    "applied" => {
                        let detail = "The plan was applied already.";
                        return Err(Error::new(Code::Conflict, detail));
                    }
                    _ => return Err(Error::new(Code::Conflict, "The plan is not made yet.")),
                }
                if made.expires_at <= tx.env().now() {
                    return Err(stale("a day has passed, or another plan was made"));
                }
                let run = begin(tx, &ctx, &flow, &Task::Apply(id.clone())).await?;
                made.run = run.id.clone();
                tx.move_plan(&ctx, &made).await?;
                let detail = json!({ "plan": id, "run": run.id });
                tx.audit(&ctx, "flow.plan_applied", flow.as_str(), detail).await?;
                Ok(run)
            })
        })
        .await
}

/// Starts a run that works on a plan, unless the flow is at work already.
async fn begin(tx: &mut Tx, ctx: &TenantCtx, flow: &FlowId, task: &Task) -> Result<Run> {
    must_rest(tx, ctx, flow).await?;
    let (name, id) = input(task);
    let given = json!({ "flow": flow, name: id });
    let new = NewRun::new(RunKind::Sync, flow.as_str(), "manual", given);
    let (run, _) = tx.insert_run(ctx, new).await?;
    tx.note_flow_run(ctx, flow, &run.id).await?;
    let about = json!({ "subject_id": flow, "trigger": "manual" });
    tx.emit(ctx, EventType::RunCreated, run.id.as_str(), about).await?;
    Ok(run)
}
