//! Gives places to runs that wait for one: claims them and has them worked on.

use std::{
    collections::HashMap,
    sync::{MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use connectus_core::{Error, Result, TenantId, Timestamp, drill::Site};
use connectus_store::{
    Inbox,
    runs::{Claimed, ReadyRun},
};
use tokio_util::sync::CancellationToken;

use super::{
    Engine,
    door::{Held, Newborn},
    job::Job,
    look::Horizon,
    ready::{AHEAD, Ready, Turn},
    work::Work,
};

/// Longest the engine goes without looking, in case work came from another process.
pub(super) const LONGEST_NAP: Duration = Duration::from_secs(1);
/// Runs that are claimed in one transaction at most.
const CLAIMED_AT_ONCE: usize = 256;

pub(super) fn is_due(due: Option<Timestamp>, now: Timestamp) -> bool {
    due.is_some_and(|due| due <= now)
}

/// A run that got a place in a queue.
type Placed = (&'static str, ReadyRun);

impl Engine {
    pub(super) fn ready(&self) -> MutexGuard<'_, Ready> {
        // Poisoned, it is still right about most: a look mends what it has lost.
        self.desk.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn born(&self) -> MutexGuard<'_, Vec<Newborn>> {
        self.born.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn dispatch_loop(&self) {
        let mut horizon = Horizon::default();
        while !self.draining.is_cancelled() {
            let nap = match self.turn(&mut horizon).await {
                Ok(nap) => nap,
                Err(error) => {
                    warn("engine.tick", &error, "cannot look for work; trying again");
                    horizon = Horizon::default();
                    LONGEST_NAP
                }
            };
            tokio::select! {
                () = self.parts.store.woken() => {}
                () = tokio::time::sleep(nap) => {}
                () = self.draining.cancelled() => {}
            }
        }
    }

    /// One round, if this engine is the one to make it; how long it may rest then.
    async fn turn(&self, horizon: &mut Horizon) -> Result<Duration> {
        let Some(over) = self.reign().await? else { return Ok(LONGEST_NAP) };
        self.parts.door.open(self, &over);
        self.round(horizon, &over).await?;
        Ok(horizon.nap(self.parts.env().now()))
    }

    /// Takes in what it was told, looks where it is time to, and gives out places. Whether anything
    /// came of it.
    async fn round(&self, horizon: &mut Horizon, over: &CancellationToken) -> Result<bool> {
        let (inbox, now) = (self.parts.store.inbox(), self.parts.env().now());
        horizon.add(inbox.due);
        let mut found = false;
        if inbox.look || horizon.is_reached(now) {
            (found, *horizon) = self.look(now).await?;
        }
        self.take_in(inbox);
        // What the look itself queued or started.
        let told = self.parts.store.inbox();
        horizon.add(told.due);
        self.take_in(told);
        Ok(self.fill(over).await? || found)
    }

    fn take_in(&self, inbox: Inbox) {
        self.adopt();
        for key in &inbox.mail {
            self.desk.active.nudge(key);
        }
        let mut ready = self.ready();
        inbox.ready.into_iter().for_each(|run| ready.push(run));
    }

    /// Gives out places while runs wait and places are free. Whether any were given.
    async fn fill(&self, over: &CancellationToken) -> Result<bool> {
        let mut took = false;
        while !self.draining.is_cancelled() {
            let (placed, unread) = self.next_turns();
            if !placed.is_empty() {
                took |= self.claim(placed, over).await?;
            } else if let Some((queue, tenant)) = unread {
                let line = self.parts.store.read().await?.line(queue, &tenant, AHEAD).await?;
                self.ready().read(queue, &tenant, line);
            } else {
                break;
            }
        }
        Ok(took)
    }

    /// Whose turn it is, up to a line that must be read before that is known.
    fn next_turns(&self) -> (Vec<Placed>, Option<(&'static str, TenantId)>) {
        let (mut ready, mut placed) = (self.ready(), Vec::new());
        while placed.len() < CLAIMED_AT_ONCE {
            match ready.next() {
                Some((queue, Turn::Run(run))) => placed.push((queue, run)),
                Some((queue, Turn::Read(tenant))) => return (placed, Some((queue, tenant))),
                None => break,
            }
        }
        (placed, None)
    }

    /// Claims runs that got a place and begins to work on them. Whether any could be claimed.
    async fn claim(&self, placed: Vec<Placed>, over: &CancellationToken) -> Result<bool> {
        let runs: Vec<_> = placed.iter().map(|(_, run)| run.clone()).collect();
        let claimed = self
            .parts
            .store
            .write_at(&[Site::Claim], move |tx| {
                Box::pin(async move { Ok(tx.claim_runs(&runs).await?) })
            })
            .await;
        let claimed = match claimed {
            Ok(claimed) => claimed,
            Err(error) => {
                // The claims may be durable all the same.
                self.strays.store(true, Ordering::Relaxed);
                let mut ready = self.ready();
                for (queue, run) in placed {
                    ready.free(queue, &run.tenant);
                    ready.more(queue, vec![run.tenant]);
                }
                return Err(error);
            }
        };
        let mut claimed: HashMap<_, _> =
            claimed.into_iter().map(|claimed| (claimed.claim.run.clone(), claimed)).collect();
        let took = !claimed.is_empty();
        for (queue, ReadyRun { tenant, run, .. }) in placed {
            match claimed.remove(&run) {
                Some(claimed) => self.take(claimed, queue, over.clone()),
                // It has ended or is held, its queue is paused, or it was taken already.
                None => self.ready().free(queue, &tenant),
            }
        }
        Ok(took)
    }

    fn take(&self, claimed: Claimed, queue: &'static str, over: CancellationToken) {
        let Claimed { run, claim } = claimed;
        let job = Job::new(&self.parts, run.into(), claim);
        let held = Held::new(self.desk.clone(), &job.claim, queue);
        self.tend(job, Work::Claimed, held, over);
    }

    /// Goes on with runs that it had begun on before they were written down.
    fn adopt(&self) {
        let born = std::mem::take(&mut *self.born());
        for newborn in born {
            let over = newborn.over();
            let Newborn { job, begun, held, .. } = newborn;
            self.tend(job, Work::Born(begun), held, over);
        }
    }

    fn tend(&self, job: Job, work: Work, held: Held, over: CancellationToken) {
        let engine = self.clone();
        // Boxed before it is handed around: it is large, and would be copied each time.
        self.desk.tasks.spawn(Box::pin(async move {
            over.run_until_cancelled(engine.work_on(&job, work, &held.nudge)).await;
        }));
    }

    /// Works until nothing is ready any more. For the command line and the tests.
    ///
    /// # Errors
    /// `conflict` while another process works on runs; what the database says.
    pub async fn run_until_idle(&self) -> Result<()> {
        let over = self.reign_or_refuse().await?;
        loop {
            // What a run that was under way during the round brought about is found by the next.
            let quiet = self.desk.active.len() == 0;
            let followed = self.follow_triggers().await?;
            let took = self.round(&mut Horizon::default(), &over).await? || followed;
            match self.desk.active.len() {
                0 if quiet && !took => return Ok(()),
                0 => {}
                _ => self.parts.store.woken().await,
            }
        }
    }
}

pub(super) fn warn(action: &'static str, error: &Error, message: &'static str) {
    tracing::warn!(
        action,
        service = "engine",
        status = "failure",
        error = %error,
        cause = error.cause.as_deref(),
        "{message}"
    );
}
