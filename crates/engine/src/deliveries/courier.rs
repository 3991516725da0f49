//! Takes what is due to its receivers, fairly and a few at a time. What is in memory is only what
//! is under way; everything else is rows.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use connectus_core::{Result, TenantCtx, Timestamp, drill::Site};
use connectus_store::deliveries::Ready;
use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{attempt, outbox};
use crate::parts::Parts;

/// Attempts under way in all.
const AT_ONCE: usize = 128;
/// Attempts under way for one tenant: its slow receivers leave room for others.
const AT_ONCE_PER_TENANT: usize = 32;
/// Attempts under way to one subscription.
const AT_ONCE_PER_SUBSCRIPTION: usize = 4;
/// Deliveries pending for one subscription. Beyond it, events wait in the log.
const MAX_PENDING: u32 = 1_000;
/// Subscriptions that deliveries are made for in one look.
const MAX_BEHIND: u32 = 64;
/// How long an attempt holds its delivery, in seconds: twice as long as it may take.
const LEASE_SECS: i64 = 30;
/// How long the log of a delivery is kept once it has ended, in seconds.
const KEEP_SECS: i64 = 30 * 24 * 3600;
/// How often what is older is forgotten, in seconds, and how many deliveries at a time.
const PURGE_EVERY_SECS: i64 = 3_600;
const PURGE_AT_ONCE: u32 = 1_000;

/// Delivers. One per engine; cheap to clone.
#[derive(Clone)]
pub(crate) struct Courier(Arc<Inner>);

struct Inner {
    parts: Parts,
    under_way: Mutex<HashMap<Ready, usize>>,
    /// Where the round stopped when all hands were full.
    last_served: Mutex<Option<Ready>>,
    purged_at: Mutex<Option<Timestamp>>,
    freed: Notify,
}

/// What a look for work found.
pub(crate) struct Look {
    /// Whether anyone wants to be told of anything.
    pub listening: bool,
    /// Whether deliveries were made or attempts begun: there may be more.
    pub worked: bool,
    /// When a delivery is due next.
    pub next_due: Option<Timestamp>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every value behind these is replaced whole, so a poisoned one is as good.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Courier {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(Inner {
            parts,
            under_way: Mutex::default(),
            last_served: Mutex::default(),
            purged_at: Mutex::default(),
            freed: Notify::new(),
        }))
    }

    /// Attempts under way.
    pub(crate) fn busy(&self) -> usize {
        locked(&self.0.under_way).values().sum()
    }

    /// Waits until an attempt has ended.
    pub(crate) async fn freed(&self) {
        self.0.freed.notified().await;
    }

    /// Makes deliveries of new events and begins attempts of what is due.
    pub(crate) async fn look(&self, tasks: &TaskTracker, over: &CancellationToken) -> Result<Look> {
        let store = &self.0.parts.store;
        let now = store.env().now();
        if !store.read().await?.any_subscription().await? {
            self.purge(now).await?;
            return Ok(Look { listening: false, worked: false, next_due: None });
        }
        let mut worked = false;
        // With the bus switched off, what was made before is still sent.
        if self.0.parts.bus.enabled {
            let behind = store.read().await?.subscriptions_behind(MAX_PENDING, MAX_BEHIND).await?;
            for behind in behind {
                worked |= outbox::make(store, behind).await?;
            }
        }
        let ready = store.read().await?.subscriptions_ready(now).await?;
        for ready in self.in_turn(ready) {
            worked |= self.serve(&ready, now, tasks, over).await? > 0;
            *locked(&self.0.last_served) = Some(ready);
            if self.busy() >= AT_ONCE {
                break;
            }
        }
        self.purge(now).await?;
        let next_due = store.read().await?.next_delivery_due(now).await?;
        Ok(Look { listening: true, worked, next_due })
    }

    /// Begins with whoever comes after the one served last.
    fn in_turn(&self, mut ready: Vec<Ready>) -> Vec<Ready> {
        if let Some(last) = locked(&self.0.last_served).as_ref() {
            let next = ready.partition_point(|one| one <= last);
            let start = next % ready.len().max(1);
            ready.rotate_left(start);
        }
        ready
    }

    /// Attempts that may begin to a subscription.
    fn room(&self, ready: &Ready) -> usize {
        let under_way = locked(&self.0.under_way);
        let sum = |wanted: &dyn Fn(&Ready) -> bool| -> usize {
            under_way.iter().filter(|(one, _)| wanted(one)).map(|(_, count)| count).sum()
        };
        let all = AT_ONCE.saturating_sub(sum(&|_| true));
        let tenant = AT_ONCE_PER_TENANT.saturating_sub(sum(&|one| one.tenant == ready.tenant));
        let own = AT_ONCE_PER_SUBSCRIPTION.saturating_sub(sum(&|one| one == ready));
        all.min(tenant).min(own)
    }

    async fn serve(
        &self,
        ready: &Ready,
        now: Timestamp,
        tasks: &TaskTracker,
        over: &CancellationToken,
    ) -> Result<usize> {
        let room = self.room(ready);
        if room == 0 {
            return Ok(0);
        }
        let ctx = TenantCtx::system(ready.tenant.clone());
        let (owner, id) = (ctx.clone(), ready.subscription.clone());
        let lease = now.plus_secs(LEASE_SECS);
        let store = &self.0.parts.store;
        let claimed = store
            .write_at(&[Site::Lease], move |tx| {
                Box::pin(async move { Ok(tx.claim_deliveries(&owner, &id, lease, room).await?) })
            })
            .await?;
        let count = claimed.len();
        *locked(&self.0.under_way).entry(ready.clone()).or_default() += count;
        for claim in claimed {
            let (courier, ready, ctx) = (self.clone(), ready.clone(), ctx.clone());
            let over = over.clone();
            tasks.spawn(async move {
                let made = attempt::make(&courier.0.parts, &ctx, claim);
                over.run_until_cancelled(made).await;
                courier.ended(&ready);
            });
        }
        Ok(count)
    }

    fn ended(&self, ready: &Ready) {
        let mut under_way = locked(&self.0.under_way);
        if let Some(count) = under_way.get_mut(ready) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                under_way.remove(ready);
            }
        }
        drop(under_way);
        self.0.freed.notify_one();
    }

    /// Forgets what ended long ago, now and then.
    async fn purge(&self, now: Timestamp) -> Result<()> {
        let due = locked(&self.0.purged_at).is_none_or(|at| at.plus_secs(PURGE_EVERY_SECS) <= now);
        if !due {
            return Ok(());
        }
        let before = now.plus_secs(-KEEP_SECS);
        let purge = || {
            self.0.parts.store.write(move |tx| {
                Box::pin(async move { Ok(tx.purge_deliveries(before, PURGE_AT_ONCE).await?) })
            })
        };
        while purge().await? == u64::from(PURGE_AT_ONCE) {}
        *locked(&self.0.purged_at) = Some(now);
        Ok(())
    }
}
