//! Looks into the database for what nobody told of: runs that came due, runs of other processes,
//! what was there before the engine was.

use std::{sync::atomic::Ordering, time::Duration};

use connectus_core::{Result, Timestamp};
use tokio::time::Instant;

use super::{
    Engine,
    dispatch::{LONGEST_NAP, is_due},
};

/// Resting runs that are queued in one transaction at most.
const COME_DUE_AT_ONCE: usize = 256;

/// When to look again.
#[derive(Default)]
pub(super) struct Horizon {
    due: Option<Timestamp>,
    looked: Option<Instant>,
}

impl Horizon {
    /// Something is due at a time, perhaps before all else.
    pub fn add(&mut self, due: Option<Timestamp>) {
        self.due = [self.due, due].into_iter().flatten().min();
    }

    pub fn is_reached(&self, now: Timestamp) -> bool {
        is_due(self.due, now) || self.looked.is_none_or(|looked| looked.elapsed() >= LONGEST_NAP)
    }

    /// How long there is nothing to look for.
    pub fn nap(&self, now: Timestamp) -> Duration {
        nap(self.due, now)
    }
}

/// How long until something is due, within what may pass without a look.
pub(super) fn nap(due: Option<Timestamp>, now: Timestamp) -> Duration {
    let until = due.map_or(i64::MAX, |due| due.0.saturating_sub(now.0).max(0));
    Duration::from_micros(u64::try_from(until).unwrap_or(u64::MAX)).min(LONGEST_NAP)
}

impl Engine {
    /// Looks for everything. Tells whether runs came due, and when to look again.
    pub(super) async fn look(&self, now: Timestamp) -> Result<(bool, Horizon)> {
        let clock = self.start_due(now).await?;
        self.put_back_strays().await?;
        let (came, due) = self.queue_what_is_due(now).await?;
        let mut conn = self.parts.store.read().await?;
        if self.desk.active.len() > 0 {
            for key in conn.runs_with_mail().await? {
                self.desk.active.nudge(&key);
            }
        }
        let weights = conn.tenant_weights().await?;
        self.ready().weigh(weights);
        for queue in self.parts.queues.of_runs() {
            let tenants = conn.lines(queue.name).await?;
            self.ready().more(queue.name, tenants);
        }
        // What the clock could not start is tried again after a while.
        let clock = clock.filter(|due| *due > now);
        let due = [clock, due].into_iter().flatten().min();
        Ok((came, Horizon { due, looked: Some(Instant::now()) }))
    }

    /// Queues resting runs whose time has come. Tells when the next one's comes.
    async fn queue_what_is_due(&self, now: Timestamp) -> Result<(bool, Option<Timestamp>)> {
        let mut came = false;
        loop {
            let due = self.parts.store.read().await?.next_run_due().await?;
            if !is_due(due, now) {
                return Ok((came, due));
            }
            came |= self
                .parts
                .store
                .write(move |tx| {
                    Box::pin(async move { Ok(tx.runs_come_due(now, COME_DUE_AT_ONCE).await?) })
                })
                .await?
                > 0;
        }
    }

    /// Queues again what was claimed in a commit whose answer was lost.
    async fn put_back_strays(&self) -> Result<()> {
        if !self.strays.load(Ordering::Relaxed) {
            return Ok(());
        }
        for claim in self.parts.store.read().await?.claims().await? {
            // Asked after the database: work that has ended meanwhile has let go of its claim.
            if !self.desk.active.holds(&claim) {
                self.parts
                    .store
                    .write(move |tx| Box::pin(async move { Ok(tx.put_back(&claim).await?) }))
                    .await?;
            }
        }
        self.strays.store(false, Ordering::Relaxed);
        Ok(())
    }
}
