//! The loops that follow triggers, for as long as this engine is the one.

use std::{sync::Arc, time::Duration};

use connectus_core::{Result, Timestamp, event::Event};
use tokio::sync::broadcast::Receiver;

use super::{
    Engine,
    deliver::{GATHER, heard},
    dispatch,
};
use crate::triggers;

/// Longest the loops go without looking, in case something came from another process.
const LONGEST_NAP: Duration = Duration::from_secs(1);

impl Engine {
    /// Starts runs for events.
    pub(super) async fn event_loop(&self) {
        // Nobody listens to events while no workflow wants any.
        let mut events: Option<Receiver<Arc<Event>>> = None;
        while !self.draining.is_cancelled() {
            match self.follow_events().await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => dispatch::warn("trigger.events", &error, "cannot follow events"),
            }
            match self.anyone_follows().await {
                Ok(true) if events.is_none() => events = Some(self.parts.store.subscribe()),
                Ok(false) => events = None,
                _ => {}
            }
            tokio::select! {
                () = heard(events.as_mut(), GATHER) => {}
                () = tokio::time::sleep(LONGEST_NAP) => {}
                () = self.draining.cancelled() => {}
            }
        }
    }

    async fn follow_events(&self) -> Result<bool> {
        match self.reign().await? {
            Some(over) => over
                .run_until_cancelled(triggers::events::look(&self.parts))
                .await
                .unwrap_or(Ok(false)),
            None => Ok(false),
        }
    }

    async fn anyone_follows(&self) -> Result<bool> {
        Ok(self.parts.store.read().await?.any_watch().await?)
    }

    /// Looks at records. Apart from the other loops, since providers take their time.
    pub(super) async fn condition_loop(&self) {
        while !self.draining.is_cancelled() {
            let nap = match self.look_at_conditions().await {
                Ok(due) => self.until_due(due),
                Err(error) => {
                    dispatch::warn("trigger.conditions", &error, "cannot look at conditions");
                    LONGEST_NAP
                }
            };
            tokio::select! {
                () = tokio::time::sleep(nap) => {}
                () = self.draining.cancelled() => {}
            }
        }
    }

    /// Looks at what is due; tells when something is due next.
    async fn look_at_conditions(&self) -> Result<Option<Timestamp>> {
        let Some(over) = self.reign().await? else { return Ok(None) };
        let due = self.parts.store.read().await?.next_workflow_due("condition").await?;
        if due.is_none_or(|due| due > self.parts.env().now()) {
            return Ok(due);
        }
        let looked = over.run_until_cancelled(triggers::condition::look(&self.parts)).await;
        looked.unwrap_or(Ok(false))?;
        Ok(self.parts.store.read().await?.next_workflow_due("condition").await?)
    }

    pub(super) fn until_due(&self, due: Option<Timestamp>) -> Duration {
        let Some(due) = due else { return LONGEST_NAP };
        let micros = due.0.saturating_sub(self.parts.env().now().0).max(0);
        Duration::from_micros(u64::try_from(micros).unwrap_or_default()).min(LONGEST_NAP)
    }

    /// Follows events and looks at conditions that are due, once. Whether there was anything to
    /// do. For the command line and the tests.
    pub(super) async fn follow_triggers(&self) -> Result<bool> {
        let mut worked = false;
        while triggers::events::look(&self.parts).await? {
            worked = true;
        }
        Ok(triggers::condition::look(&self.parts).await? || worked)
    }
}
