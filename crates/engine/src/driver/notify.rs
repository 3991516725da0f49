//! The loop that tells people, for as long as this engine is the one.

use std::time::Duration;

use connectus_core::{Result, Timestamp};

use super::{Engine, dispatch};
use crate::notifications::send;

/// Longest the loop goes without looking.
const LONGEST_NAP: Duration = Duration::from_secs(1);

impl Engine {
    pub(super) async fn notify_loop(&self) {
        while !self.draining.is_cancelled() {
            let nap = match self.notify_turn().await {
                Ok(due) => self.until_due(due),
                Err(error) => {
                    dispatch::warn("notification.send", &error, "cannot tell people; trying again");
                    LONGEST_NAP
                }
            };
            tokio::select! {
                () = tokio::time::sleep(nap) => {}
                () = self.draining.cancelled() => {}
            }
        }
    }

    async fn notify_turn(&self) -> Result<Option<Timestamp>> {
        let Some(over) = self.reign().await? else { return Ok(None) };
        let looked = over.run_until_cancelled(send::look(&self.parts)).await;
        Ok(looked.transpose()?.and_then(|look| look.next_due))
    }

    /// Hands over notifications until none is due. For the command line and the tests.
    ///
    /// # Errors
    /// What the database says.
    pub async fn notify_until_idle(&self) -> Result<()> {
        while send::look(&self.parts).await?.tried > 0 {}
        Ok(())
    }
}
