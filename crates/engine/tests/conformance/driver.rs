//! A driver as the cases know it.

use std::time::Duration;

use connectus_core::{Result, RunId, TenantCtx, run::Run};
use connectus_engine::{Engine, Parts, workflows};
use connectus_store::workflows::WorkflowRow;
use serde_json::Value;

/// What carries runs through. Definitions, views and actions are not the driver's: it finds them in
/// the parts.
pub trait Driver {
    /// A process that begins to work on these parts, where another may have worked before.
    async fn open(parts: &Parts) -> Self;

    /// Starts a workflow, once for each dedupe key that its trigger makes.
    async fn start(&self, ctx: &TenantCtx, workflow: &WorkflowRow, input: Value) -> Result<Run>;

    /// Leaves a signal, before or after the run waits for it.
    async fn signal(&self, ctx: &TenantCtx, run: &RunId, name: &str, value: Value) -> Result<()>;

    /// Asks a run to stop.
    async fn cancel(&self, ctx: &TenantCtx, run: &RunId) -> Result<()>;

    /// A run as it stands.
    async fn state(&self, ctx: &TenantCtx, run: &RunId) -> Result<Run>;

    /// Works until nothing is due at the time the clock shows.
    async fn settle(&self);

    /// A process takes up what is due and dies before anything of it is done. Not one that has
    /// worked before.
    async fn die(&self);

    /// Ends in good order.
    async fn drain(self);
}

/// The driver of this program.
pub struct Embedded {
    engine: Engine,
    parts: Parts,
}

impl Driver for Embedded {
    async fn open(parts: &Parts) -> Self {
        Self { engine: Engine::new(parts.clone()), parts: parts.clone() }
    }

    async fn start(&self, ctx: &TenantCtx, workflow: &WorkflowRow, input: Value) -> Result<Run> {
        workflows::execute(&self.parts, ctx, workflow, input).await
    }

    async fn signal(&self, ctx: &TenantCtx, run: &RunId, name: &str, value: Value) -> Result<()> {
        self.engine.signal(ctx, run, name, value).await
    }

    async fn cancel(&self, ctx: &TenantCtx, run: &RunId) -> Result<()> {
        self.engine.cancel(ctx, run).await.map(drop)
    }

    async fn state(&self, ctx: &TenantCtx, run: &RunId) -> Result<Run> {
        self.engine.state(ctx, run).await
    }

    async fn settle(&self) {
        self.engine.run_until_idle().await.unwrap();
    }

    async fn die(&self) {
        let store = &self.parts.store;
        let taken = store.write(|tx| {
            Box::pin(async move {
                tx.runs_come_due(tx.env().now(), 10).await?;
                let mut runs = Vec::new();
                for tenant in tx.lines("workflow").await? {
                    runs.extend(tx.line("workflow", &tenant, 10).await?);
                }
                Ok(tx.claim_runs(&runs).await?.len())
            })
        });
        assert!(taken.await.unwrap() > 0, "nothing is due");
        let found = store.write(|tx| Box::pin(async move { Ok(tx.requeue_orphans().await?) }));
        found.await.unwrap();
    }

    async fn drain(self) {
        self.engine.drain(Duration::from_secs(5)).await;
    }
}
