//! Waiting for a run to end, for callers that want its answer. The run knows nothing of it: whoever
//! stops waiting, or is stopped, changes nothing about the run.

use std::{sync::Arc, time::Duration};

use connectus_core::{Payload, Result, TenantCtx, run::Run};
use connectus_store::{
    Store,
    ends::{End, Ended},
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often a run is looked at that another process may be working on, which tells nobody here.
const LOOK: Duration = Duration::from_secs(1);

/// A run that someone waits for.
pub struct Awaited {
    run: Run,
    /// None while too many wait: the run is answered as it stands.
    end: Option<End>,
    /// Whether it was waited for before it was accepted, so that its end cannot have been missed,
    /// and only how it ended is asked for.
    from_the_first: bool,
}

impl Awaited {
    /// Waits for a run that was accepted.
    pub fn of(store: &Store, run: Run) -> Self {
        let end = store.ends().expect(&run.tenant, &run.id);
        Self { run, end, from_the_first: false }
    }

    /// Goes on to wait for a run that was waited for before it was accepted. It is answered as it
    /// was then, but for how it ended.
    pub(crate) fn from_the_first(run: Run, end: Option<End>) -> Self {
        Self { run, end, from_the_first: true }
    }

    /// Whether the caller is waited with at all.
    pub fn has_place(&self) -> bool {
        self.end.is_some()
    }

    /// The run when it has ended, or as it stands after so long, or when `over` says so.
    ///
    /// # Errors
    /// What the database says.
    pub async fn answer(
        self,
        store: &Store,
        ctx: &TenantCtx,
        within: Duration,
        over: &CancellationToken,
    ) -> Result<Run> {
        let Self { mut run, end, from_the_first } = self;
        let Some(mut end) = end else { return store.blobs().whole(run).await };
        let until = Instant::now() + within;
        // It may have ended before it was waited for.
        let mut is_looked_at = from_the_first;
        while !run.status.is_final() {
            if is_looked_at {
                tokio::select! {
                    ended = end.come() => if let Some(ended) = ended.filter(|_| from_the_first) {
                        let Ended { status, output, error } = Arc::unwrap_or_clone(ended);
                        let output = output.map(Payload::from);
                        return Ok(Run { status, output, error, ..run });
                    },
                    () = tokio::time::sleep(LOOK) => {}
                    () = tokio::time::sleep_until(until) => return Ok(run),
                    () = over.cancelled() => return Ok(run),
                }
            }
            is_looked_at = true;
            match store.read().await?.run(ctx, &run.id).await? {
                Some(found) => run = found,
                // Forgotten meanwhile.
                None => return Ok(run),
            }
        }
        store.blobs().whole(run).await
    }
}
