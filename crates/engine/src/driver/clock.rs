//! Starts what is due by the clock. Whoever does it first has done it, so any number of processes
//! may.

use connectus_core::{Result, Timestamp};

use super::{
    Engine,
    dispatch::{LONGEST_NAP, is_due, warn},
    look,
};
use crate::schedule;

impl Engine {
    /// Starts what is due, if that is this engine's to do, and tells when something is due next.
    pub(super) async fn start_due(&self, now: Timestamp) -> Result<Option<Timestamp>> {
        if !self.duties.schedules {
            return Ok(None);
        }
        let next_due = schedule::next_due(&mut self.parts.store.read().await?).await?;
        if !is_due(next_due, now) {
            return Ok(next_due);
        }
        // What the clock cannot start must not keep from working what is there.
        if let Err(error) = schedule::tick(&self.parts, now).await {
            warn("schedule.tick", &error, "cannot start what is due; trying again");
        }
        Ok(schedule::next_due(&mut self.parts.store.read().await?).await?)
    }

    /// The life of an engine that only looks at the clock.
    pub(super) async fn clock_loop(&self) {
        while !self.draining.is_cancelled() {
            let nap = match self.start_due(self.parts.env().now()).await {
                Ok(next_due) => look::nap(next_due, self.parts.env().now()),
                Err(error) => {
                    warn("engine.clock", &error, "cannot look at the clock; trying again");
                    LONGEST_NAP
                }
            };
            tokio::select! {
                () = tokio::time::sleep(nap) => {}
                () = self.draining.cancelled() => {}
            }
        }
    }
}
