//! Makes a plan: reads and compares as a sync does, and writes nothing but the plan.

use std::sync::Arc;

use connectus_core::{
    Code, Error, FlowPlanId, Result, TenantCtx,
    flow::{Direction, Leg},
    run::Run,
};
use connectus_store::plans::{FlowPlan, PlanRow};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{
    Counts, intake,
    intake::newest,
    pages::Pages,
    plan::Plan,
    planned::{self, MAX_PLAN_ROWS, Standing},
    push::Scan,
    settle::note,
};
use crate::parts::Parts;

/// Makes a plan, or goes on making it. Returns what it would do.
///
/// # Errors
/// As a sync; `quota_exceeded` for a plan of more than [`MAX_PLAN_ROWS`].
pub(super) async fn make(
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
    if made.state != "making" {
        return Ok(made.counts);
    }
    let at = Standing::read(&made.reached);
    let mut making = Making { parts, ctx, run, plan, made, at, rows: 0, cancel };
    if making.plan.flow.direction != Direction::Outbound {
        making.incoming().await?;
    }
    if making.plan.outgoing.is_some() {
        making.outgoing().await?;
    }
    making.done().await
}

struct Making<'a> {
    parts: &'a Parts,
    ctx: &'a TenantCtx,
    run: &'a Run,
    plan: Arc<Plan>,
    made: FlowPlan,
    at: Standing,
    rows: u64,
    cancel: &'a CancellationToken,
}

impl Making<'_> {
    async fn incoming(&mut self) -> Result<()> {
        if self.at.read {
            return Ok(());
        }
        let cursor = planned::cursor_of(&self.at);
        let reader = self.plan.read(cursor.as_ref()).await?;
        let env = self.parts.env().clone();
        let mut pages = Pages::prefetch(reader, self.plan.clone(), env, None);
        loop {
            let mut batch = intake::gather(&mut pages, self.cancel).await;
            let end = batch.end.take();
            if let Some(Err(error)) = end {
                return Err(error);
            }
            let counts = Counts::read_for(&batch);
            self.at.cursor = batch.cursor.or(self.at.cursor.take());
            self.at.read = end.is_some();
            let mut conn = self.parts.store.read().await?;
            let items = newest(batch.items);
            let (rows, same) = planned::incoming(&mut conn, self.ctx, &self.plan, items).await?;
            drop(conn);
            let counts = Counts { unchanged: same.len() as u64, ..counts };
            self.commit(Leg::Inbound, rows, same, counts).await?;
            if self.at.read {
                return Ok(());
            }
        }
    }

    async fn outgoing(&mut self) -> Result<()> {
        let plan = self.plan.clone();
        let Some(out) = &plan.outgoing else { return Ok(()) };
        let mut scan = Scan::read(self.at.scan.take());
        scan.begin(self.parts.env().now());
        loop {
            if self.cancel.is_cancelled() {
                return Err(Error::new(Code::Conflict, "The making of the plan was stopped."));
            }
            let mut conn = self.parts.store.read().await?;
            let mut page = scan.page(&mut conn, self.ctx, &plan.flow).await?;
            let Some(last) = page.last().map(|record| record.key.clone()) else { break };
            let read = page.len() as u64;
            // What comes in changes these; the next sync sees what is left to send of them.
            let keys: Vec<&str> = page.iter().map(|record| record.key.as_str()).collect();
            let met = conn.plan_meets(self.ctx, &self.made.id, &keys).await?;
            page.retain(|record| !met.contains(&record.key));
            let rows = planned::outgoing(&mut conn, self.ctx, &plan, out, &page).await?;
            drop(conn);
            let unchanged = (page.len() - rows.len()) as u64;
            scan.passed(last);
            self.at.scan = Some(json!(scan));
            let counts = Counts { read, unchanged, ..Counts::default() };
            self.commit(Leg::Outbound, rows, Vec::new(), counts).await?;
        }
        self.at.scan = Some(json!(scan.ended()));
        Ok(())
    }

    async fn commit(
        &mut self,
        leg: Leg,
        rows: Vec<PlanRow>,
        same: Vec<String>,
        counts: Counts,
    ) -> Result<()> {
        self.rows += rows.len() as u64;
        if self.rows > MAX_PLAN_ROWS {
            let detail = format!("The plan would hold more than {MAX_PLAN_ROWS} rows. Sync first.");
            return Err(Error::new(Code::QuotaExceeded, detail));
        }
        self.made.reached = json!(self.at);
        let (ctx, plan, made) = (self.ctx.clone(), self.plan.clone(), self.made.clone());
        let run = self.run.id.clone();
        self.parts
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let same: Vec<&str> = same.iter().map(String::as_str).collect();
                    tx.put_plan_rows(&ctx, &made.id, leg, &rows, &same).await?;
                    tx.move_plan(&ctx, &made).await?;
                    note(tx, &ctx, &plan, &run, &counts).await
                })
            })
            .await
    }

    /// The plan is ready: what it would do is counted by what it holds.
    async fn done(mut self) -> Result<Value> {
        let mut conn = self.parts.store.read().await?;
        let run = conn.run(self.ctx, &self.run.id).await?;
        let seen = Counts::stored(run.and_then(|run| run.progress).as_ref());
        let mut counts = Counts { read: seen.read, unchanged: seen.unchanged, ..Counts::default() };
        for (leg, kind, count) in conn.plan_counts(self.ctx, &self.made.id).await? {
            let field = match (leg.as_str(), kind.as_str()) {
                ("inbound", "create") => &mut counts.created,
                ("inbound", "update") => &mut counts.updated,
                ("outbound", "create") => &mut counts.sent_created,
                ("outbound", "update") => &mut counts.sent_updated,
                (_, "keep") => &mut counts.kept,
                (_, "reject") => &mut counts.rejected,
                _ => &mut counts.unchanged,
            };
            *field += count;
        }
        drop(conn);
        let shown = json!({
            "read": counts.read, "creates": counts.created, "updates": counts.updated,
            "unchanged": counts.unchanged, "kept": counts.kept, "rejected": counts.rejected,
            "send_creates": counts.sent_created, "send_updates": counts.sent_updated,
        });
        self.made.state = "ready".to_owned();
        self.made.counts = shown.clone();
        self.made.reached = json!(self.at);
        let (ctx, made) = (self.ctx.clone(), self.made);
        self.parts
            .store
            .write(move |tx| Box::pin(async move { Ok(tx.move_plan(&ctx, &made).await?) }))
            .await?;
        Ok(shown)
    }
}
