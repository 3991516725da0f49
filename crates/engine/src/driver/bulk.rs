//! Many runs at once: those a filter names are asked to stop, or repeated.
//!
//! What was done to a run takes it out of the filter, so the same call again goes on with the rest,
//! and does nothing when nothing is left.

use connectus_core::{
    Code, Error, Page, Result, RunId, TenantCtx,
    run::{Run, RunStatus},
};
use connectus_store::{
    Tx,
    runs::{Only, RunFilter, RunPage},
};
use serde_json::{Value, json};

use super::{
    Engine,
    repeat::{Repeat, insert},
    settle,
};

/// Runs that one call stops or repeats at most; another call takes the next ones.
pub const MAX_AT_ONCE: u32 = 500;

/// What to do with many runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bulk {
    /// Ask those that are open to stop.
    Cancel,
    /// Repeat those that failed and that nothing has made up for yet.
    Retry,
    /// Let those go on that are set apart.
    Release,
}

/// What became of many runs, or would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Many {
    /// Runs that the filter names and of which it can be done.
    pub matched: u64,
    /// The newest of them, [`MAX_AT_ONCE`] at most: to these it was done, or would be.
    pub runs: Vec<Meant>,
}

/// One of many runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meant {
    /// The run.
    pub run: RunId,
    /// The new run that repeats it.
    pub new_run: Option<RunId>,
}

impl Many {
    /// Runs that are left for another call.
    pub fn left(&self) -> u64 {
        self.matched.saturating_sub(u64::try_from(self.runs.len()).unwrap_or_default())
    }
}

impl Bulk {
    const fn only(self) -> Only {
        match self {
            Self::Cancel => Only::Stoppable,
            Self::Retry => Only::DeadLetters,
            Self::Release => Only::Quarantined,
        }
    }

    /// What the audit log calls it.
    const fn action(self) -> &'static str {
        match self {
            Self::Cancel => "runs.cancel_requested",
            Self::Retry => "runs.retried",
            Self::Release => "runs.released",
        }
    }

    /// The filter, narrowed to runs of which it can be done.
    fn narrow(self, filter: RunFilter) -> Result<RunFilter> {
        if filter == RunFilter::default() {
            let message = "must say which runs are meant, by `status`, `kind`, `queue`, ...";
            return Err(Error::invalid("filter", message));
        }
        let fits = |status: &RunStatus| match self {
            Self::Cancel => !status.is_final(),
            Self::Retry => *status == RunStatus::Failed,
            Self::Release => *status == RunStatus::Quarantined,
        };
        if filter.status.iter().all(fits) {
            return Ok(RunFilter { only: Some(self.only()), ..filter });
        }
        Err(Error::invalid(
            "filter.status",
            match self {
                Self::Cancel => {
                    "can be `queued`, `running`, `waiting` and `quarantined`: others have ended"
                }
                Self::Retry => "can be `failed` only; retry others one by one",
                Self::Release => "can be `quarantined` only: nothing holds others",
            },
        ))
    }
}

impl Engine {
    /// Stops or repeats the newest [`MAX_AT_ONCE`] runs that a filter names, in one transaction. A
    /// dry run tells which those are and does nothing.
    ///
    /// # Errors
    /// `invalid` for a filter that names every run, or runs of which it cannot be done.
    pub async fn change_many(
        &self,
        ctx: &TenantCtx,
        bulk: Bulk,
        filter: RunFilter,
        dry_run: bool,
    ) -> Result<Many> {
        let asked = serde_json::to_value(&filter).map_err(Error::internal)?;
        let filter = bulk.narrow(filter)?;
        let page = Page { limit: MAX_AT_ONCE, offset: 0 };
        if dry_run {
            let found = self.parts.store.read().await?.runs_after(ctx, &filter, None, page).await?;
            let meant = |run: Run| Meant { run: run.id, new_run: None };
            let (matched, runs) = (found.listing.total_count, found.listing.items);
            return Ok(Many { matched, runs: runs.into_iter().map(meant).collect() });
        }
        let ctx = ctx.clone();
        self.parts
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let found = tx.runs_after(&ctx, &filter, None, page).await?;
                    change(tx, &ctx, bulk, found, asked).await
                })
            })
            .await
    }
}

async fn change(
    tx: &mut Tx,
    ctx: &TenantCtx,
    bulk: Bulk,
    found: RunPage,
    asked: Value,
) -> Result<Many> {
    let mut runs = Vec::with_capacity(found.listing.items.len());
    for run in found.listing.items {
        let new_run = match bulk {
            Bulk::Cancel if tx.request_run_cancel(ctx, &run.id).await? => {
                tx.audit(ctx, "run.cancel_requested", run.id.as_str(), json!({})).await?;
                None
            }
            Bulk::Release if settle::release(tx, ctx, &run).await? => None,
            // It has ended since, or goes on already.
            Bulk::Cancel | Bulk::Release => continue,
            Bulk::Retry => {
                // Of two callers at once, on PostgreSQL, both may have found it.
                let repeat = Repeat::whole(&run).once(format!("retry:{}", run.id));
                match insert(tx, ctx, &run, repeat).await {
                    Ok(new) => Some(new.id),
                    // Its data flow is gone, or is being synced by now.
                    Err(error) if matches!(error.code, Code::Conflict | Code::NotFound) => continue,
                    Err(error) => return Err(error),
                }
            }
        };
        runs.push(Meant { run: run.id, new_run });
    }
    let many = Many { matched: found.listing.total_count, runs };
    if !many.runs.is_empty() {
        let detail = json!({ "filter": asked, "matched": many.matched, "runs": many.runs.len() });
        tx.audit(ctx, bulk.action(), "runs", detail).await?;
    }
    Ok(many)
}
