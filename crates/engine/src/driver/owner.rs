//! One engine works on the runs of a database. Becoming that one is the moment to pick up what its
//! predecessor left.

use std::time::Duration;

use connectus_core::{Code, Error, Result, drill::Site};
use connectus_store::Ownership;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Engine;

/// How often a held ownership is checked.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// How long a command waits for an engine that is just ending.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it looks meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The time in which this engine is the one.
pub(super) struct Reign {
    ownership: Ownership,
    checked: Instant,
    /// Ends all work begun in it.
    pub over: CancellationToken,
}

impl Engine {
    /// The token of the present reign; `None` while another engine is the one.
    ///
    /// # Errors
    /// What the database says.
    pub(super) async fn reign(&self) -> Result<Option<CancellationToken>> {
        let mut reign = self.reign.lock().await;
        if let Some(present) = reign.as_mut() {
            if present.is_held().await {
                return Ok(Some(present.over.clone()));
            }
            tracing::error!(
                action = "engine.own",
                service = "engine",
                status = "failure",
                "the right to work on runs was lost with its connection; dropping all work"
            );
            present.over.cancel();
            *reign = None;
        }
        let Some(ownership) = self.parts.store.own_engine().await? else { return Ok(None) };
        let began = Reign { ownership, checked: Instant::now(), over: CancellationToken::new() };
        self.recover().await?;
        Ok(Some(reign.insert(began).over.clone()))
    }

    /// Becomes the one engine, or says why not.
    pub(super) async fn reign_or_refuse(&self) -> Result<CancellationToken> {
        let begun = Instant::now();
        loop {
            if let Some(over) = self.reign().await? {
                return Ok(over);
            }
            if begun.elapsed() > PATIENCE {
                return Err(Error::new(
                    Code::Conflict,
                    "Another process works on the runs of this database. Leave the work to it, or \
                     stop it first.",
                ));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Ends the reign: work not at rest is dropped and queued again, which counts against nobody.
    pub(super) async fn abdicate(&self) -> Result<()> {
        let Some(reign) = self.reign.lock().await.take() else { return Ok(()) };
        reign.over.cancel();
        self.desk.tasks.wait().await;
        let released = self
            .parts
            .store
            .write(|tx| Box::pin(async move { Ok(tx.release_runs().await?) }))
            .await;
        reign.ownership.give_back().await;
        released.map(drop)
    }

    /// Queues again what an engine that died was working on.
    async fn recover(&self) -> Result<()> {
        let orphans = self
            .parts
            .store
            .write_at(&[Site::Recover], |tx| {
                Box::pin(async move { Ok(tx.requeue_orphans().await?) })
            })
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
}

impl Reign {
    async fn is_held(&mut self) -> bool {
        if self.checked.elapsed() < CHECK_EVERY {
            return true;
        }
        let held = tokio::time::timeout(CHECK_EVERY, self.ownership.is_held()).await;
        self.checked = Instant::now();
        held.unwrap_or(false)
    }
}
