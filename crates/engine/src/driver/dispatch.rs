//! Takes ready runs, queue by queue, within each queue's concurrency.

use std::time::Duration;

use connectus_core::{Code, Error, Result, TenantCtx, Timestamp, run::QUEUES, run::RunKind};
use connectus_store::runs::ReadyRun;

use super::{Engine, backoff, session, settle, sync_run};
use crate::schedule;

/// Longest the engine goes without looking, in case a wake-up came from another process.
const LONGEST_NAP: Duration = Duration::from_secs(1);
/// Deaths of the process on one run after which the run is given up as poisonous.
const MAX_CRASHES: u32 = 5;
/// Interruptions by the database or the code after which a run is given up.
const MAX_INTERRUPTIONS: u32 = 20;

impl Engine {
    /// Queues again what a process that died was working on.
    pub(super) async fn recover(&self) -> Result<()> {
        let orphans = self
            .parts
            .store
            .write(|tx| Box::pin(async move { Ok(tx.requeue_orphans().await?) }))
            .await?;
        if orphans > 0 {
            tracing::info!(
                action = "engine.recover",
                service = "engine",
                status = "success",
                runs = orphans,
                "resuming runs that were under way when the last process ended"
            );
        }
        Ok(())
    }

    pub(super) async fn dispatch_loop(&self) {
        while !self.draining.is_cancelled() {
            let nap = match self.tick().await {
                Ok(next_due) => self.nap(next_due),
                Err(error) => {
                    tracing::warn!(
                        action = "engine.tick",
                        service = "engine",
                        status = "failure",
                        error = %error,
                        cause = error.cause.as_deref(),
                        "cannot look for work; trying again"
                    );
                    LONGEST_NAP
                }
            };
            tokio::select! {
                () = self.parts.store.woken() => {}
                () = tokio::time::sleep(nap) => {}
                () = self.draining.cancelled() => {}
            }
        }
    }

    /// Starts what is due, by schedule and by queue, and tells when something is due next.
    ///
    /// # Errors
    /// What the database says.
    pub async fn tick(&self) -> Result<Option<Timestamp>> {
        let now = self.parts.env().now();
        schedule::tick(&self.parts, now).await?;
        self.dispatch(now).await?;
        let mut conn = self.parts.store.read().await?;
        let due = [conn.next_run_due().await?, schedule::next_due(&mut conn).await?];
        Ok(due.into_iter().flatten().min())
    }

    fn nap(&self, next_due: Option<Timestamp>) -> Duration {
        let now = self.parts.env().now();
        let until = next_due.map_or(i64::MAX, |due| due.0.saturating_sub(now.0));
        // Runs that are due but have no free place wake the engine when a place becomes free.
        let until = if until <= 0 { i64::MAX } else { until };
        Duration::from_micros(u64::try_from(until).unwrap_or(u64::MAX)).min(LONGEST_NAP)
    }

    async fn dispatch(&self, now: Timestamp) -> Result<()> {
        let mut conn = self.parts.store.read().await?;
        for queue in QUEUES {
            let busy = self.active.in_queue(queue.name);
            let free = queue.concurrency.saturating_sub(busy);
            if free == 0 {
                continue;
            }
            let ready = conn.ready_runs(queue.name, now, free + busy).await?;
            for run in ready.into_iter().take(free + busy) {
                if self.active.in_queue(queue.name) < queue.concurrency {
                    self.take(run, queue.name);
                }
            }
        }
        Ok(())
    }

    fn take(&self, ready: ReadyRun, queue: &'static str) {
        let Some(nudge) = self.active.take(&ready, queue) else { return };
        let engine = self.clone();
        self.tasks.spawn(async move {
            if let Err(error) = engine.work_on(&ready, &nudge).await {
                engine.rest_after(&ready, &error).await;
            }
            engine.active.release(&ready);
            engine.parts.store.wake();
        });
    }

    async fn work_on(&self, ready: &ReadyRun, nudge: &tokio::sync::Notify) -> Result<()> {
        let ctx = TenantCtx::system(ready.tenant.clone());
        let run = self.state(&ctx, &ready.id).await?;
        if run.status.is_final() {
            return Ok(());
        }
        if run.crashes >= MAX_CRASHES {
            let error = Error::new(
                Code::Internal,
                format!("The process ended {MAX_CRASHES} times while working on this run."),
            );
            return settle::fail_run(&self.parts, &ctx, &run, &error).await;
        }
        match run.kind {
            RunKind::Workflow => {
                session::work(&self.parts, ctx, run, nudge, &self.draining).await
            }
            RunKind::Sync => sync_run::work(&self.parts, ctx, run, nudge, &self.draining).await,
        }
    }

    /// The database or the code failed under a run. Nothing is lost: it is due again later, and
    /// given up only after many such failures.
    async fn rest_after(&self, ready: &ReadyRun, error: &Error) {
        tracing::warn!(
            action = "run.work",
            service = "engine",
            status = "failure",
            run = %ready.id,
            error = %error,
            cause = error.cause.as_deref(),
            "work on a run was interrupted; it will be resumed"
        );
        let ctx = TenantCtx::system(ready.tenant.clone());
        while !self.draining.is_cancelled() {
            if self.try_rest(&ctx, ready, error).await.is_ok() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(LONGEST_NAP) => {}
                () = self.draining.cancelled() => {}
            }
        }
    }

    async fn try_rest(&self, ctx: &TenantCtx, ready: &ReadyRun, error: &Error) -> Result<()> {
        let run = self.state(ctx, &ready.id).await?;
        let attempts = run.attempts + 1;
        if attempts >= MAX_INTERRUPTIONS {
            return settle::fail_run(&self.parts, ctx, &run, error).await;
        }
        let due = backoff::run_due(&ready.id, attempts, error, self.parts.env().now());
        settle::rest(&self.parts, ctx, &run, due, attempts).await
    }

    /// Works until nothing is ready any more. For the command line and the tests.
    ///
    /// # Errors
    /// What the database says.
    pub async fn run_until_idle(&self) -> Result<()> {
        loop {
            // A run that was still being put down while this looked is found by the next look.
            let quiet = self.active.len() == 0;
            self.tick().await?;
            match (quiet, self.active.len()) {
                (true, 0) => return Ok(()),
                (false, 0) => {}
                _ => self.parts.store.woken().await,
            }
        }
    }
}
