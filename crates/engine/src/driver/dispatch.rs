//! Looks for work: what the clock started, what came in for runs under way, and runs that are due,
//! queue by queue within each queue's concurrency.

use std::{sync::atomic::Ordering, time::Duration};

use connectus_core::{Error, Result, Timestamp, drill::Site, queue::Queue};
use connectus_store::runs::{Claimed, Lane};
use tokio_util::sync::CancellationToken;

use super::{Engine, job::Job};

/// Longest the engine goes without looking, in case a wake-up came from another process.
pub(super) const LONGEST_NAP: Duration = Duration::from_secs(1);

pub(super) fn is_due(due: Option<Timestamp>, now: Timestamp) -> bool {
    due.is_some_and(|due| due <= now)
}

/// What a look for work found.
struct Look {
    /// When something is due next.
    next_due: Option<Timestamp>,
    /// Whether runs were taken.
    took: bool,
}

impl Engine {
    pub(super) async fn dispatch_loop(&self) {
        while !self.draining.is_cancelled() {
            let nap = match self.turn().await {
                Ok(next_due) => self.nap(next_due),
                Err(error) => {
                    warn("engine.tick", &error, "cannot look for work; trying again");
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

    /// One look for work, if this engine is the one to do it.
    async fn turn(&self) -> Result<Option<Timestamp>> {
        match self.reign().await? {
            Some(over) => Ok(self.tick(&over).await?.next_due),
            None => Ok(None),
        }
    }

    pub(super) fn nap(&self, next_due: Option<Timestamp>) -> Duration {
        let now = self.parts.env().now();
        let until = next_due.map_or(i64::MAX, |due| due.0.saturating_sub(now.0));
        // Runs that are due but have no free place wake the engine when a place becomes free.
        let until = if until <= 0 { i64::MAX } else { until };
        Duration::from_micros(u64::try_from(until).unwrap_or(u64::MAX)).min(LONGEST_NAP)
    }

    /// Starts what is due and tells when something is due next.
    async fn tick(&self, over: &CancellationToken) -> Result<Look> {
        let now = self.parts.env().now();
        let mut next_due = self.start_due(now).await?;
        self.put_back_strays().await?;
        self.deliver_mail().await?;
        let mut took = false;
        let lanes = self.parts.store.read().await?.lanes().await?;
        for queue in self.parts.queues.of_runs() {
            let Some(lane) = lanes.iter().find(|lane| lane.queue == queue.name) else { continue };
            let look = self.fill(queue, lane, now, over).await?;
            next_due = [next_due, look.next_due].into_iter().flatten().min();
            took |= look.took;
        }
        Ok(Look { next_due, took })
    }

    /// Queues again what was claimed in a commit whose answer was lost.
    async fn put_back_strays(&self) -> Result<()> {
        if !self.strays.load(Ordering::Relaxed) {
            return Ok(());
        }
        for claim in self.parts.store.read().await?.claims().await? {
            // Asked after the database: work that has ended meanwhile has let go of its claim.
            if !self.active.holds(&claim) {
                self.parts
                    .store
                    .write(move |tx| Box::pin(async move { Ok(tx.put_back(&claim).await?) }))
                    .await?;
            }
        }
        self.strays.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Nudges the runs under way that have signals to read or are to be stopped.
    async fn deliver_mail(&self) -> Result<()> {
        if self.active.len() == 0 {
            return Ok(());
        }
        for key in self.parts.store.read().await?.runs_with_mail().await? {
            self.active.nudge(&key);
        }
        Ok(())
    }

    /// Takes runs of a queue while some are due and places are free. Tells when the next is due.
    async fn fill(
        &self,
        queue: Queue,
        lane: &Lane,
        now: Timestamp,
        over: &CancellationToken,
    ) -> Result<Look> {
        let (mut due, mut took, is_paused) = (lane.due, false, lane.is_paused);
        loop {
            let free = queue.concurrency.saturating_sub(self.active.in_queue(queue.name));
            if !is_due(due, now) || free == 0 || self.draining.is_cancelled() {
                return Ok(Look { next_due: due, took });
            }
            let claimed = self
                .parts
                .store
                .write_at(&[Site::Claim], move |tx| {
                    Box::pin(
                        async move { Ok(tx.claim_runs(queue.name, now, free, is_paused).await?) },
                    )
                })
                .await
                // The claims may be durable all the same.
                .inspect_err(|_| self.strays.store(true, Ordering::Relaxed))?;
            if claimed.is_empty() {
                // What is due may belong to those for whom the queue is paused.
                return Ok(Look { next_due: due.filter(|_| !is_paused), took });
            }
            took = true;
            for claimed in claimed {
                self.take(claimed, queue.name, over.clone());
            }
            due = self.parts.store.read().await?.next_run_due(queue.name).await?;
        }
    }

    fn take(&self, claimed: Claimed, queue: &'static str, over: CancellationToken) {
        let nudge = self.active.begin(&claimed.claim, queue);
        let (engine, job) = (self.clone(), Job::new(&self.parts, &self.committer, claimed));
        self.tasks.spawn(async move {
            over.run_until_cancelled(engine.work_on(&job, &nudge)).await;
            engine.active.end(&job.claim);
            engine.parts.store.wake();
        });
    }

    /// Works until nothing is ready any more. For the command line and the tests.
    ///
    /// # Errors
    /// `conflict` while another process works on runs; what the database says.
    pub async fn run_until_idle(&self) -> Result<()> {
        let over = self.reign_or_refuse().await?;
        loop {
            // What a run that was under way during the look brought about is found by the next.
            let quiet = self.active.len() == 0;
            let followed = self.follow_triggers().await?;
            let took = self.tick(&over).await?.took || followed;
            match self.active.len() {
                0 if quiet && !took => return Ok(()),
                0 => {}
                _ => self.parts.store.woken().await,
            }
        }
    }
}

pub(super) fn warn(action: &'static str, error: &Error, message: &'static str) {
    tracing::warn!(
        action,
        service = "engine",
        status = "failure",
        error = %error,
        cause = error.cause.as_deref(),
        "{message}"
    );
}
