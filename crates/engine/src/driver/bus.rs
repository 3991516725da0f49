//! The loop of the event bus, for as long as this engine is the one.

use std::time::Duration;

use connectus_core::Result;

use super::{Engine, deliver, dispatch};
use crate::bus::follow;

/// Longest the loop goes without looking, in case something came from another process.
const LONGEST_NAP: Duration = Duration::from_secs(1);
/// So long events gather before handlers take them in, so that a flood of them costs few pages.
const GATHER: Duration = Duration::from_millis(200);

impl Engine {
    pub(super) async fn bus_loop(&self) {
        let mut events = Some(self.parts.store.subscribe());
        let mut retired = false;
        while !self.draining.is_cancelled() {
            match self.bus_turn(&mut retired).await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => dispatch::warn("events.follow", &error, "cannot follow events"),
            }
            tokio::select! {
                () = deliver::heard(events.as_mut(), GATHER) => {}
                () = tokio::time::sleep(LONGEST_NAP) => {}
                () = self.draining.cancelled() => {}
            }
        }
    }

    async fn bus_turn(&self, retired: &mut bool) -> Result<bool> {
        let Some(over) = self.reign().await? else { return Ok(false) };
        if !*retired {
            follow::retire(&self.parts).await?;
            *retired = true;
        }
        over.run_until_cancelled(follow::look(&self.parts)).await.unwrap_or(Ok(false))
    }

    /// Lets handlers take in all events there are, but those that fail. For the command line and
    /// the tests.
    ///
    /// # Errors
    /// What the database says.
    pub async fn handle_events(&self) -> Result<()> {
        while follow::look(&self.parts).await? {}
        Ok(())
    }
}
