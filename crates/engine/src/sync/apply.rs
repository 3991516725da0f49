//! Does exactly what a plan says, or nothing when it no longer holds.

use std::sync::Arc;

use connectus_core::{
    Code, Error, FlowPlanId, Result, TenantCtx, Timestamp,
    drill::Site,
    flow::{Direction, Leg},
    run::Run,
};
use connectus_store::{
    Tx,
    plans::{FlowPlan, PlanRow},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{
    Counts, OPERATION, checkpoint,
    outgoing::Outgoing,
    plan::Plan,
    planned::{self, Standing, stale},
    push::{Push, Pushed},
    settle::{Settled, note},
};
use crate::{health, parts::Parts};

/// Rows written between two checkpoints.
const PAGE: u32 = 1_000;

/// Applies a plan, or goes on applying it. Returns the run's counters.
///
/// # Errors
/// `conflict` when it is stale, and then, unless it was begun, nothing is written; as a sync.
pub(super) async fn apply(
    parts: &Parts,
    ctx: &TenantCtx,
    run: &Run,
    plan: Arc<Plan>,
    id: &FlowPlanId,
    cancel: &CancellationToken,
) -> Result<Value> {
    let mut conn = parts.store.read().await?;
    let made = planned::load(&mut conn, ctx, &plan, id).await?;
    drop(conn);
    let at = Standing::read(&made.reached);
    let mut applying = Applying { parts, ctx, run, plan, made, at, cancel };
    match applying.made.state.as_str() {
        "applying" => {}
        "ready" => applying.verify().await?,
        "applied" => return Err(Error::new(Code::Conflict, "The plan was applied already.")),
        _ => return Err(Error::new(Code::Conflict, "The plan is not made yet.")),
    }
    applying.incoming().await?;
    applying.outgoing().await?;
    applying.done().await?;
    let run = parts.store.read().await?.run(ctx, &run.id).await?;
    Ok(Counts::stored(run.and_then(|run| run.progress).as_ref()).output())
}

struct Applying<'a> {
    parts: &'a Parts,
    ctx: &'a TenantCtx,
    run: &'a Run,
    plan: Arc<Plan>,
    made: FlowPlan,
    at: Standing,
    cancel: &'a CancellationToken,
}

impl Applying<'_> {
    /// Looks at every row before the first is written.
    async fn verify(&mut self) -> Result<()> {
        let mut conn = self.parts.store.read().await?;
        let now = self.parts.env().now();
        check_standing(&mut conn, self.ctx, &self.plan, &self.made, now).await?;
        drop(conn);
        for leg in [Leg::Inbound, Leg::Outbound] {
            let mut after = String::new();
            loop {
                let rows = self.rows(leg, &after).await?;
                let Some(last) = rows.last() else { break };
                after.clone_from(&last.key);
                let mut conn = self.parts.store.read().await?;
                match (leg, &self.plan.outgoing) {
                    (Leg::Inbound, _) => {
                        let env = self.parts.env();
                        planned::still(&mut conn, env, self.ctx, &self.plan, rows).await?;
                    }
                    (Leg::Outbound, Some(out)) => {
                        let (ctx, plan) = (self.ctx, &*self.plan);
                        planned::still_to_send(&mut conn, ctx, plan, out, &rows, false).await?;
                    }
                    (Leg::Outbound, None) => {}
                }
            }
        }
        self.made.state = "applying".to_owned();
        let (ctx, plan, made) = (self.ctx.clone(), self.plan.clone(), self.made.clone());
        let begin = self.parts.store.write(move |tx| {
            Box::pin(async move {
                lock(tx, &ctx, &plan).await?;
                check_standing(tx, &ctx, &plan, &made, now).await?;
                Ok(tx.move_plan(&ctx, &made).await?)
            })
        });
        begin.await
    }

    async fn rows(&self, leg: Leg, after: &str) -> Result<Vec<PlanRow>> {
        if self.cancel.is_cancelled() {
            return Err(Error::new(Code::Conflict, "The applying of the plan was stopped."));
        }
        let mut conn = self.parts.store.read().await?;
        Ok(conn.plan_rows_after(self.ctx, &self.made.id, leg, after, PAGE).await?)
    }

    /// Where to go on with a leg; none where it is done.
    fn after(&self, leg: Leg) -> Option<String> {
        match &self.at.applied {
            None => Some(String::new()),
            Some((applied, key)) if *applied == leg => Some(key.clone()),
            Some((Leg::Inbound, _)) => Some(String::new()),
            Some((Leg::Outbound, _)) => None,
        }
    }

    async fn incoming(&mut self) -> Result<()> {
        let Some(mut after) = self.after(Leg::Inbound) else { return Ok(()) };
        loop {
            let rows = self.rows(Leg::Inbound, &after).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after.clone_from(&last.key);
            self.at.applied = Some((Leg::Inbound, after.clone()));
            self.made.reached = json!(self.at);
            let (ctx, plan, made) = (self.ctx.clone(), self.plan.clone(), self.made.clone());
            let run = self.run.id.clone();
            let written = self.parts.store.write_at(&[Site::Checkpoint], move |tx| {
                Box::pin(async move {
                    lock(tx, &ctx, &plan).await?;
                    let env = tx.env().clone();
                    let items = planned::still(tx, &env, &ctx, &plan, rows).await?;
                    let written = checkpoint::write(tx, &ctx, &plan, &run, items, false).await?;
                    tx.move_plan(&ctx, &made).await?;
                    note(tx, &ctx, &plan, &run, &written.add_to(Counts::default())).await
                })
            });
            written.await?;
        }
    }

    async fn outgoing(&mut self) -> Result<()> {
        let plan = self.plan.clone();
        let Some(out) = &plan.outgoing else { return Ok(()) };
        let Some(mut after) = self.after(Leg::Outbound) else { return Ok(()) };
        loop {
            let rows = self.rows(Leg::Outbound, &after).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after.clone_from(&last.key);
            self.send(out, &rows).await?;
            self.at.applied = Some((Leg::Outbound, after.clone()));
            self.made.reached = json!(self.at);
            let (ctx, made) = (self.ctx.clone(), self.made.clone());
            let moved = self
                .parts
                .store
                .write(move |tx| Box::pin(async move { Ok(tx.move_plan(&ctx, &made).await?) }));
            moved.await?;
        }
    }

    async fn send(&self, out: &Outgoing, rows: &[PlanRow]) -> Result<()> {
        let Self { parts, ctx, cancel, .. } = *self;
        let mut conn = parts.store.read().await?;
        let left = planned::still_to_send(&mut conn, ctx, &self.plan, out, rows, true).await?;
        drop(conn);
        let settle = Settled::Run(self.run.id.clone());
        let push = Push { parts, ctx, plan: &self.plan, out, settle, cancel };
        match push.records(left).await? {
            Pushed::All => Ok(()),
            Pushed::FlowChanged => Err(stale("the data flow was changed")),
        }
    }

    /// The next sync goes on where the plan ends. Both ways, it looks at every record once more
    /// that the last sync did not see: what came in may be left to send.
    async fn done(mut self) -> Result<()> {
        self.made.state = "applied".to_owned();
        let (ctx, plan, made, at) = (self.ctx.clone(), self.plan, self.made, self.at);
        let done = self.parts.store.write_at(&[Site::Checkpoint], move |tx| {
            Box::pin(async move {
                lock(tx, &ctx, &plan).await?;
                let flow = &plan.flow;
                if let Some(cursor) = &at.cursor {
                    tx.put_flow_cursor(&ctx, &flow.id, cursor).await?;
                }
                if let (Direction::Outbound, Some(scan)) = (flow.direction, &at.scan) {
                    tx.put_flow_scan(&ctx, &flow.id, scan).await?;
                }
                tx.move_plan(&ctx, &made).await?;
                tx.note_flow_synced(&ctx, &flow.id).await?;
                health::succeeded(tx, &ctx, &flow.integration, OPERATION).await
            })
        });
        done.await
    }
}

/// Holds the flow, which must still be the plan's.
async fn lock(tx: &mut Tx, ctx: &TenantCtx, plan: &Plan) -> Result<()> {
    if tx.lock_flow(ctx, &plan.flow.id).await? != Some(plan.flow.version) {
        return Err(stale("the data flow was changed"));
    }
    Ok(())
}

/// A plan holds for a day, and until the flow syncs.
async fn check_standing(
    conn: &mut connectus_store::Conn,
    ctx: &TenantCtx,
    plan: &Plan,
    made: &FlowPlan,
    now: Timestamp,
) -> Result<()> {
    if made.expires_at <= now {
        return Err(stale("a day has passed, or another plan was made"));
    }
    if Standing::of(conn, ctx, &plan.flow.id).await? != Standing::read(&made.base) {
        return Err(stale("the data flow has synced"));
    }
    Ok(())
}
