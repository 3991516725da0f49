//! The loop that delivers events to subscribers, for as long as this engine is the one.

use std::{sync::Arc, time::Duration};

use connectus_core::{Result, Timestamp, event::Event};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::Instant,
};

use super::{Engine, dispatch};
use crate::deliveries::Look;

/// Longest the loop goes without looking, in case something came from another process.
const LONGEST_NAP: Duration = Duration::from_secs(1);
/// So long events gather before they are looked at, so that a flood of them costs few looks.
pub(super) const GATHER: Duration = Duration::from_millis(20);

impl Engine {
    pub(super) async fn delivery_loop(&self) {
        // Nobody listens to events while nobody wants to be told of any.
        let mut events: Option<Receiver<Arc<Event>>> = None;
        while !self.draining.is_cancelled() {
            let nap = match self.delivery_turn().await {
                Ok(Some(look)) => {
                    if !look.listening {
                        events = None;
                    } else if events.is_none() {
                        events = Some(self.parts.store.subscribe());
                    }
                    if look.worked {
                        continue;
                    }
                    self.until(look.next_due)
                }
                Ok(None) => LONGEST_NAP,
                Err(error) => {
                    dispatch::warn("engine.deliver", &error, "cannot deliver; trying again");
                    LONGEST_NAP
                }
            };
            tokio::select! {
                () = self.courier.freed() => {}
                () = heard(events.as_mut(), GATHER) => {}
                () = tokio::time::sleep(nap) => {}
                () = self.draining.cancelled() => {}
            }
        }
    }

    async fn delivery_turn(&self) -> Result<Option<Look>> {
        match self.reign().await? {
            Some(over) => Ok(Some(self.courier.look(&self.desk.tasks, &over).await?)),
            None => Ok(None),
        }
    }

    fn until(&self, due: Option<Timestamp>) -> Duration {
        let Some(due) = due else { return LONGEST_NAP };
        let micros = due.0.saturating_sub(self.parts.env().now().0).max(0);
        Duration::from_micros(u64::try_from(micros).unwrap_or_default()).min(LONGEST_NAP)
    }

    /// Delivers until nothing is due any more. For the command line and the tests.
    ///
    /// # Errors
    /// `conflict` while another process works on this database; what the database says.
    pub async fn deliver_until_idle(&self) -> Result<()> {
        let over = self.reign_or_refuse().await?;
        loop {
            // What an attempt under way during the look brought about is found by the next.
            let quiet = self.courier.busy() == 0;
            let worked = self.courier.look(&self.desk.tasks, &over).await?.worked;
            match self.courier.busy() {
                0 if quiet && !worked => return Ok(()),
                0 => {}
                _ => self.courier.freed().await,
            }
        }
    }
}

/// So many events are gathered at most.
const GATHERED: usize = 1_000;
/// How often it is looked how many there are.
const GLANCE: Duration = Duration::from_millis(10);

/// Waits for an event and those that follow it closely; for ever when nobody listens.
pub(super) async fn heard(events: Option<&mut Receiver<Arc<Event>>>, gather: Duration) {
    let Some(events) = events else { return std::future::pending().await };
    if let Err(RecvError::Closed) = events.recv().await {
        return std::future::pending().await;
    }
    let over = Instant::now() + gather;
    while events.len() < GATHERED && Instant::now() < over {
        tokio::time::sleep(GLANCE.min(gather)).await;
    }
    *events = events.resubscribe();
}
