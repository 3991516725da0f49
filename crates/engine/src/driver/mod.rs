//! The embedded driver: takes runs whose time has come and works on them until they end or rest.
//!
//! The database is the truth. What is in memory is only which runs this process works on right
//! now; a process that dies loses nothing but the attempt under way.

mod active;
mod backoff;
mod dispatch;
mod session;
mod settle;
mod step;
mod sync_run;

use std::{sync::Arc, time::Duration};

use connectus_core::{Error, Result, RunId, TenantCtx, run::Run};
use connectus_store::{journal::PendingSignal, runs::NewRun};
use serde_json::Value;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::settle::CHILD_SIGNAL;
use self::active::Active;
use crate::parts::Parts;

/// The engine of one process. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    parts: Parts,
    active: Arc<Active>,
    tasks: TaskTracker,
    draining: CancellationToken,
}

impl Engine {
    /// An engine that works on nothing yet.
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            active: Arc::default(),
            tasks: TaskTracker::new(),
            draining: CancellationToken::new(),
        }
    }

    /// Queues again what a process that died was working on, then works until drained.
    ///
    /// # Errors
    /// When the database cannot be reached at the start.
    pub async fn start(&self) -> Result<()> {
        self.recover().await?;
        let engine = self.clone();
        self.tasks.spawn(async move { engine.dispatch_loop().await });
        Ok(())
    }

    /// Leaves a signal for a run. It may come before the run waits for it.
    ///
    /// # Errors
    /// `not_found` for another tenant's run, `conflict` for one that has ended.
    pub async fn signal(
        &self,
        ctx: &TenantCtx,
        run: &RunId,
        name: &str,
        value: Value,
    ) -> Result<()> {
        let found = self.state(ctx, run).await?;
        if found.status.is_final() {
            return Err(ended(&found));
        }
        let signal = PendingSignal {
            id: self.parts.env().id::<connectus_core::EventId>().to_string(),
            name: name.to_owned(),
            value,
        };
        let (owner, id) = (ctx.clone(), run.clone());
        self.parts
            .store
            .write(move |tx| {
                Box::pin(async move {
                    tx.put_signal(&owner, &id, &signal).await?;
                    let detail = serde_json::json!({ "signal": signal.name });
                    tx.audit(&owner, "run.signalled", id.as_str(), detail).await
                })
            })
            .await?;
        self.active.nudge(ctx.tenant(), run);
        Ok(())
    }

    /// Asks a run to stop. Its finished steps are undone where they say how.
    ///
    /// # Errors
    /// `not_found` for another tenant's run, `conflict` for one that has ended.
    pub async fn cancel(&self, ctx: &TenantCtx, run: &RunId) -> Result<Run> {
        let found = self.state(ctx, run).await?;
        if found.status.is_final() {
            return Err(ended(&found));
        }
        let (owner, id) = (ctx.clone(), run.clone());
        self.parts
            .store
            .write(move |tx| {
                Box::pin(async move {
                    tx.request_run_cancel(&owner, &id).await?;
                    tx.audit(&owner, "run.cancel_requested", id.as_str(), Value::Null).await
                })
            })
            .await?;
        self.active.nudge(ctx.tenant(), run);
        self.state(ctx, run).await
    }

    /// Runs the same again, as a new run: same subject, same input, same definition.
    ///
    /// # Errors
    /// `conflict` while the run has not ended.
    pub async fn retry(&self, ctx: &TenantCtx, run: &Run) -> Result<Run> {
        if !run.status.is_final() {
            let detail = "The run has not ended yet. Cancel it first, or wait.";
            return Err(Error::new(connectus_core::Code::Conflict, detail));
        }
        let (owner, before) = (ctx.clone(), run.clone());
        self.parts
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let new = NewRun {
                        definition_hash: before.definition_hash,
                        interp_version: before.interp_version,
                        ..NewRun::new(before.kind, before.subject_id, "retry", before.input)
                    };
                    let (run, _) = tx.insert_run(&owner, new).await?;
                    let detail = serde_json::json!({ "new_run": run.id });
                    tx.audit(&owner, "run.retried", before.id.as_str(), detail).await?;
                    Ok(run)
                })
            })
            .await
    }

    /// A run as it stands.
    ///
    /// # Errors
    /// `not_found` for another tenant's run.
    pub async fn state(&self, ctx: &TenantCtx, run: &RunId) -> Result<Run> {
        let found = self.parts.store.read().await?.run(ctx, run).await?;
        found.ok_or_else(|| Error::not_found("run"))
    }

    /// Stops taking runs and waits for those under way to reach their next resting place.
    /// What is not there in time is resumed by the next start.
    pub async fn drain(&self, patience: Duration) {
        self.draining.cancel();
        self.tasks.close();
        // Late tasks lose nothing: every step they finish is journalled or repeated.
        let _ = tokio::time::timeout(patience, self.tasks.wait()).await;
    }

    /// Whether the loop that takes runs was started and has not ended.
    pub fn is_alive(&self) -> bool {
        !self.tasks.is_empty() && !self.draining.is_cancelled()
    }

    /// Runs being worked on right now.
    pub fn busy(&self) -> usize {
        self.active.len()
    }
}

fn ended(run: &Run) -> Error {
    let detail = format!("The run has ended already: it is {}.", run.status.name());
    Error::new(connectus_core::Code::Conflict, detail)
}
