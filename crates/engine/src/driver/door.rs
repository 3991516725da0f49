//! Where runs come in. While the engine is the one of its database, a place is free and nobody
//! waits for it, it begins on a run at once: what the run does before it first waits for somebody
//! is made in memory and written down together with the run itself. A run that waits for nobody is
//! accepted and ended in one commit.
//!
//! Nothing is done before it is durable but to read: a step with an effect begins after the commit.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use connectus_core::{
    Result,
    run::{Run, RunKind, RunStatus},
};
use connectus_store::{Store, ends::End, request, runs::RunClaim};
use futures::FutureExt;
use tokio::sync::Notify;
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

use super::{
    Engine,
    active::Active,
    arrive::{Arrival, Arrived, Birth, Entrance, Start, Started},
    commit::Committer,
    job::Job,
    ready::Ready,
    session::{self, Begun},
};
use crate::parts::Parts;

/// Where runs come in. Cheap to clone.
#[derive(Clone, Default)]
pub struct Door(Arc<Inner>);

#[derive(Default)]
struct Inner {
    committer: Committer,
    /// The engine that may begin on runs at once.
    engine: Mutex<Option<Arc<Host>>>,
}

/// What the door knows of an engine that works.
struct Host {
    parts: Arc<Parts>,
    desk: Arc<Desk>,
    born: Arc<Mutex<Vec<Newborn>>>,
    strays: Arc<AtomicBool>,
    over: CancellationToken,
    draining: CancellationToken,
}

/// Where an engine keeps what it works on.
pub(super) struct Desk {
    pub store: Store,
    pub active: Active,
    pub ready: Mutex<Ready>,
    pub tasks: TaskTracker,
}

/// The hold of an engine on a run, until it is dropped: its place in a queue, and that it is known
/// to be worked on.
pub(super) struct Held {
    desk: Arc<Desk>,
    claim: RunClaim,
    /// The queue it has a place in, until it gives it back.
    queue: Option<&'static str>,
    /// Tells whoever works on it that something came in.
    pub nudge: Arc<Notify>,
    /// The end of the engine waits for it.
    _token: TaskTrackerToken,
}

/// A run that the engine has begun on, and that is being written down.
pub(super) struct Newborn {
    pub job: Job,
    pub begun: Begun,
    pub held: Held,
    host: Arc<Host>,
}

impl Held {
    /// The hold on a run that has a place in a queue.
    pub fn new(desk: Arc<Desk>, claim: &RunClaim, queue: &'static str) -> Self {
        let (nudge, token) = (desk.active.begin(claim), desk.tasks.token());
        Self { desk, claim: claim.clone(), queue: Some(queue), nudge, _token: token }
    }

    /// Gives the place back: there is nothing left to do for the run but to write it down.
    fn leave_place(&mut self) {
        let Some(queue) = self.queue.take() else { return };
        let is_anyone_next = {
            let mut ready = lock(&self.desk.ready);
            ready.free(queue, &self.claim.tenant);
            ready.is_anyone_next()
        };
        if is_anyone_next {
            self.desk.store.wake();
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let left = self.desk.active.end(&self.claim);
        self.leave_place();
        if left == 0 {
            self.desk.store.wake();
        }
    }
}

/// A poisoned lock holds what is still right about most; a look mends what it has lost.
fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Door {
    pub(super) fn committer(&self) -> &Committer {
        &self.0.committer
    }

    /// Lets an engine begin on runs that come in.
    pub(super) fn open(&self, engine: &Engine, over: &CancellationToken) {
        let mut host = lock(&self.0.engine);
        if host.as_ref().is_none_or(|host| !host.works()) {
            *host = Some(Arc::new(Host {
                parts: engine.parts.clone(),
                desk: engine.desk.clone(),
                born: engine.born.clone(),
                strays: engine.strays.clone(),
                over: over.clone(),
                draining: engine.draining.clone(),
            }));
        }
    }

    /// Lets this engine begin on nothing more, and forgets it.
    pub(super) fn close(&self, engine: &Engine) {
        let mut host = lock(&self.0.engine);
        if host.as_ref().is_some_and(|host| Arc::ptr_eq(&host.desk, &engine.desk)) {
            *host = None;
        }
    }

    fn host(&self) -> Option<Arc<Host>> {
        lock(&self.0.engine).as_ref().filter(|host| host.works()).cloned()
    }

    /// Takes in what comes, whoever waits for the answer.
    ///
    /// # Errors
    /// What the database says; what a request that came with an idempotency key may meet.
    pub(crate) async fn take(&self, parts: &Parts, mut arrival: Arrival) -> Result<Arrived> {
        let runs = arrival.accept(parts.env());
        self.admit(parts, arrival, runs).await
    }

    /// The same, and waits for the end of its first run from before there is one. `None` while too
    /// many wait.
    ///
    /// # Errors
    /// As [`Door::take`].
    pub(crate) async fn take_awaited(
        &self,
        parts: &Parts,
        mut arrival: Arrival,
    ) -> Result<(Arrived, Option<End>)> {
        let runs = arrival.accept(parts.env());
        let end = runs.first().and_then(|run| parts.store.ends().expect(&run.tenant, &run.id));
        Ok((self.admit(parts, arrival, runs).await?, end))
    }

    async fn admit(&self, parts: &Parts, arrival: Arrival, runs: Vec<Arc<Run>>) -> Result<Arrived> {
        let Arrival { ctx, receipt, told, about, .. } = arrival;
        let (host, request) = (self.host(), request::current());
        let (mut starts, mut newborns) = (Vec::new(), Vec::new());
        for queued in runs {
            let (birth, newborn) = match &host {
                // Apart: much of what comes in starts no run.
                Some(host) => Box::pin(host.bear(&queued)).await.unzip(),
                None => (None, None),
            };
            starts.push(Start { queued, birth });
            newborns.push(newborn);
        }
        let entrance = Entrance { ctx, request, receipt, told, starts, about };
        self.0.committer.admit(&parts.store, entrance, newborns).await
    }
}

impl Host {
    fn works(&self) -> bool {
        !self.over.is_cancelled() && !self.draining.is_cancelled()
    }

    /// Begins on a run, if there is a free place and no reason to wait.
    async fn bear(self: &Arc<Self>, run: &Arc<Run>) -> Option<(Birth, Newborn)> {
        let waits = run.status != RunStatus::Queued || run.turnstile.is_some();
        if run.kind != RunKind::Workflow || waits {
            return None;
        }
        let queue = lock(&self.desk.ready).take_free(&run.queue, &run.tenant)?;
        let claim = RunClaim { tenant: run.tenant.clone(), run: run.id.clone(), number: 1 };
        let mut held = Held::new(self.desk.clone(), &claim, queue);
        let job = Job::new(&self.parts, run.clone(), claim);
        let first = AssertUnwindSafe(session::begin(&job, &self.draining)).catch_unwind().await;
        // What cannot begin waits for its turn like others, and fails there.
        let (turn, begun) = first.ok()?.ok()??;
        if turn.batch.outcome.is_some() {
            held.leave_place();
        }
        let host = self.clone();
        Some((Birth::of(Box::new(turn)), Newborn { job, begun, held, host }))
    }
}

impl Newborn {
    /// Ends all work of the engine that has begun on it.
    pub fn over(&self) -> CancellationToken {
        self.host.over.clone()
    }

    /// Its run is written down, or not. One that goes on is handed to the engine.
    pub(super) fn settle(self, started: Option<&Started>) {
        let Some(started) = started else {
            // It may be durable all the same: then it is claimed, and nobody works on it.
            self.host.strays.store(true, Ordering::Relaxed);
            return self.host.desk.store.wake();
        };
        if !started.lives || started.run.status != RunStatus::Running || !self.host.works() {
            return;
        }
        let (born, store) = (self.host.born.clone(), self.host.desk.store.clone());
        lock(&born).push(self);
        store.wake();
    }
}
