//! Forgets what nobody needs any more, a little at a time, so that neither the disk nor the cost of
//! a look at it grows for ever.

use std::time::Duration;

use connectus_core::{Result, TenantCtx, Timestamp};
use connectus_store::Store;
use tokio_util::sync::CancellationToken;

use crate::bus;

/// How often it is looked what there is to forget.
const EVERY: Duration = Duration::from_secs(3_600);
/// Rows forgotten in one transaction, so that others get their turn.
const AT_ONCE: u32 = 500;
/// How long notifications are kept once they have ended.
const NOTIFICATION_DAYS: u32 = 30;
/// How long the identifiers of received webhooks are kept: no provider repeats one that late.
const RECEIPT_DAYS: u32 = 30;
/// How long plans of data flows are kept once they have expired.
const PLAN_DAYS: u32 = 1;
const DAY_SECS: i64 = 24 * 3_600;

/// How long things are kept.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Days that a run is kept once it has ended, with its journal, steps and effects; 0 for ever.
    pub run_days: u32,
    /// Days that events are kept, if all who follow them have seen them; 0 for ever. Sums made of
    /// them stay.
    pub event_days: u32,
}

/// What was forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Runs that had ended.
    pub runs: u64,
    /// Identifiers of received webhooks.
    pub receipts: u64,
    /// Events.
    pub events: u64,
    /// Notifications that ended.
    pub notifications: u64,
    /// Plans of data flows that can no longer be applied, and their rows.
    pub plans: u64,
    /// Large values that nothing refers to any more.
    pub blobs: u64,
}

/// Forgets what is older than it is to be kept. Runs that have not ended are never old.
///
/// # Errors
/// What the database says; what was forgotten until then stays so.
pub async fn sweep(store: &Store, keep: Retention) -> Result<Forgotten> {
    let now = store.env().now();
    let before = |days: u32| now.plus_secs(-DAY_SECS * i64::from(days));
    // First: what only the runs of this sweep referred to stays until the next one, so that those
    // who are reading it can end.
    let blobs = match store.sweep_blobs().await {
        Ok(swept) => swept.blobs,
        // A folder that cannot be read must not keep the database from being swept.
        Err(error) => {
            tracing::warn!(
                action = "retention.sweep",
                service = "engine",
                status = "failure",
                error = %error,
                cause = error.cause.as_deref(),
                "cannot forget large values that nothing refers to; trying again later"
            );
            0
        }
    };
    let mut forgotten = Forgotten { blobs, ..Forgotten::default() };
    if keep.run_days > 0 {
        forgotten.runs = all(store, before(keep.run_days), Kind::Runs).await?;
    }
    forgotten.receipts = all(store, before(RECEIPT_DAYS), Kind::Receipts).await?;
    let notifications = before(NOTIFICATION_DAYS);
    forgotten.notifications = all(store, notifications, Kind::Notifications).await?;
    // One that is being applied is done by then.
    forgotten.plans = all(store, before(PLAN_DAYS), Kind::Plans).await?;
    if keep.event_days > 0 {
        // Whole days, so that the sums of a day can be made again or not at all.
        let midnight = before(keep.event_days);
        let midnight = Timestamp::from_secs(midnight.secs().div_euclid(DAY_SECS) * DAY_SECS);
        forgotten.events = events(store, midnight).await?;
    }
    Ok(forgotten)
}

/// Forgets the events of whole days that every handler has taken in.
async fn events(store: &Store, before: Timestamp) -> Result<u64> {
    let mut forgotten = 0;
    for tenant in store.read().await?.tenants().await? {
        let ctx = TenantCtx::system(tenant.id);
        let begun = store.read().await?.handler_cursors(&ctx).await?;
        let all = bus::own_pace().into_iter();
        if !all.into_iter().all(|one| begun.iter().any(|cursor| cursor.handler == one.name)) {
            continue;
        }
        loop {
            let ctx = ctx.clone();
            let some = store.write(move |tx| {
                Box::pin(async move { Ok(tx.forget_events(&ctx, before, AT_ONCE).await?) })
            });
            let some = some.await?;
            forgotten += some;
            if some < u64::from(AT_ONCE) {
                break;
            }
        }
    }
    Ok(forgotten)
}

#[derive(Clone, Copy)]
enum Kind {
    Runs,
    Receipts,
    Notifications,
    Plans,
}

async fn all(store: &Store, before: Timestamp, kind: Kind) -> Result<u64> {
    let mut forgotten = 0;
    loop {
        let some = store.write(move |tx| {
            Box::pin(async move {
                Ok(match kind {
                    Kind::Runs => tx.forget_runs(before, AT_ONCE).await?,
                    Kind::Receipts => tx.forget_receipts(before, AT_ONCE).await?,
                    Kind::Plans => tx.forget_plans(before, AT_ONCE).await?,
                    Kind::Notifications => tx.forget_notifications(before, AT_ONCE).await?,
                })
            })
        });
        let some = some.await?;
        forgotten += some;
        if some < u64::from(AT_ONCE) {
            return Ok(forgotten);
        }
    }
}

/// Sweeps now and every hour until told to stop.
pub async fn sweep_until(store: Store, keep: Retention, stop: CancellationToken) {
    loop {
        match sweep(&store, keep).await {
            Ok(forgotten) if forgotten == Forgotten::default() => {}
            Ok(Forgotten { runs, receipts, events, notifications, plans, blobs }) => {
                tracing::info!(
                    action = "retention.sweep",
                    service = "engine",
                    status = "success",
                    runs,
                    receipts,
                    events,
                    notifications,
                    plans,
                    blobs,
                    "forgot what is older than it is to be kept"
                );
            }
            Err(error) => tracing::warn!(
                action = "retention.sweep",
                service = "engine",
                status = "failure",
                error = %error,
                cause = error.cause.as_deref(),
                "cannot forget old runs; trying again in an hour"
            ),
        }
        if stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_none() {
            return;
        }
    }
}
