//! The embedded driver: takes runs whose time has come and works on them until they end or rest.
//!
//! The database is the truth. What is in memory is only which runs this process works on right now
//! and which come next; a process that dies loses nothing but the attempt under way.
//!
//! - [`owner`]: one engine works on a database; the next one picks up what it left.
//! - [`clock`] starts what is due; a process may do that alone.
//! - [`ready`] says whose turn it is, [`look`] finds what waits in the database.
//! - [`dispatch`] claims those runs and [`work`]s on them: [`session`] on workflows, [`sync_run`]
//!   on syncs. Every write names its claim, so that a claim taken over is harmless.
//! - [`turn`] is what a session writes at once; [`commit`] writes those of many runs together.
//! - [`door`] is where runs come in, [`arrive`] what is written of them.
//! - [`deliver`] is the loop that delivers events to subscribers, [`watch`] are those that follow
//!   the triggers of workflows.
//! - [`bus`] is the loop that lets the handlers of events take them in, [`notify`] the one that
//!   tells people.
//! - [`settle`] is how runs end and rest; [`step`] is one attempt of one step.
//! - [`repeat`] starts runs that go on from the past of another one.
//! - [`bulk`] stops or repeats many runs.

mod active;
mod approval;
mod arrive;
mod backoff;
mod bulk;
mod bus;
mod clock;
mod commit;
mod deliver;
mod dispatch;
mod door;
mod job;
mod look;
mod notify;
mod owner;
mod ready;
mod repeat;
mod session;
mod settle;
mod step;
mod sync_run;
mod turn;
mod watch;
mod work;

use std::{
    sync::{Arc, Mutex as SyncMutex, atomic::AtomicBool},
    time::Duration,
};

use connectus_core::{Error, Result, RunId, TenantCtx, drill::Site, queue::Queue, run::Run};
use connectus_store::{journal::PendingSignal, workers::Slots};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(crate) use self::arrive::{About, Arrival, Arrived, Started};
pub(crate) use self::session::Continued;
use self::{
    active::Active,
    door::{Desk, Newborn},
    owner::Reign,
    ready::Ready,
};
pub use self::{
    approval::Decision,
    bulk::{Bulk, MAX_AT_ONCE, Many, Meant},
    door::Door,
    repeat::Rerun,
    settle::CHILD_SIGNAL,
};
use crate::{deliveries::Courier, parts::Parts};

/// Signals a run may have that it has not read yet.
const MAX_UNREAD_SIGNALS: u64 = 1_000;
/// How long the end of a drain may take once its patience is over.
const RELEASE_WITHIN: Duration = Duration::from_secs(2);

/// What the engine of a process does once it is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duties {
    /// Whether it works on runs and makes deliveries.
    pub works: bool,
    /// Whether it starts what is due by the clock.
    pub schedules: bool,
}

impl Default for Duties {
    fn default() -> Self {
        Self { works: true, schedules: true }
    }
}

/// The engine of one process. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    parts: Arc<Parts>,
    duties: Duties,
    desk: Arc<Desk>,
    /// Runs it had begun on before they were written down.
    born: Arc<SyncMutex<Vec<Newborn>>>,
    courier: Courier,
    reign: Arc<Mutex<Option<Reign>>>,
    /// Whether there may be claimed runs that nobody works on.
    strays: Arc<AtomicBool>,
    draining: CancellationToken,
}

impl Engine {
    /// An engine that works on nothing yet.
    pub fn new(parts: Parts) -> Self {
        Self::with(parts, Duties::default())
    }

    /// One that has only these duties.
    pub fn with(parts: Parts, duties: Duties) -> Self {
        let desk = Desk {
            store: parts.store.clone(),
            active: Active::default(),
            ready: SyncMutex::new(Ready::new(&parts.queues)),
            tasks: TaskTracker::new(),
        };
        Self {
            duties,
            desk: Arc::new(desk),
            courier: Courier::new(parts.clone()),
            parts: Arc::new(parts),
            born: Arc::default(),
            reign: Arc::default(),
            strays: Arc::default(),
            draining: CancellationToken::new(),
        }
    }

    /// Works until drained, beginning with what a process that died was working on. While another
    /// process works on this database, it stands by to take over.
    ///
    /// # Errors
    /// When the database cannot be reached at the start.
    pub async fn start(&self) -> Result<()> {
        if !self.duties.works {
            let engine = self.clone();
            self.desk.tasks.spawn(async move { engine.clock_loop().await });
            return Ok(());
        }
        if self.reign().await?.is_none() {
            tracing::info!(
                action = "engine.start",
                service = "engine",
                status = "standby",
                "another process works on the runs of this database; standing by"
            );
        }
        let engine = self.clone();
        self.desk.tasks.spawn(async move { engine.dispatch_loop().await });
        let engine = self.clone();
        self.desk.tasks.spawn(async move { engine.delivery_loop().await });
        let engine = self.clone();
        self.desk.tasks.spawn(async move { engine.notify_loop().await });
        if self.parts.bus.enabled {
            let engine = self.clone();
            self.desk.tasks.spawn(async move { engine.event_loop().await });
            let engine = self.clone();
            self.desk.tasks.spawn(async move { engine.bus_loop().await });
        }
        let engine = self.clone();
        self.desk.tasks.spawn(async move { engine.condition_loop().await });
        Ok(())
    }

    /// Begins on runs as they come in, before anything works on those that wait. For the tests: an
    /// engine that was started does.
    ///
    /// # Errors
    /// `conflict` while another process works on this database; what the database says.
    pub async fn open(&self) -> Result<()> {
        let over = self.reign_or_refuse().await?;
        self.parts.door.open(self, &over);
        Ok(())
    }

    /// Leaves a signal for a run. It may come before the run waits for it.
    ///
    /// # Errors
    /// `not_found` for another tenant's run, `conflict` for one that has ended.
    pub async fn signal(
        &self,
        ctx: &TenantCtx,
        run: &RunId,
        name: &str,
        value: Value,
    ) -> Result<()> {
        self.state(ctx, run).await?;
        let signal = PendingSignal {
            id: self.parts.env().id::<connectus_core::EventId>().to_string(),
            name: name.to_owned(),
            value: value.into(),
        };
        let (owner, id) = (ctx.clone(), run.clone());
        self.parts
            .store
            .write_at(&[Site::Signal], move |tx| {
                Box::pin(async move {
                    if !tx.put_signal(&owner, &id, &signal).await? {
                        return Err(ended());
                    }
                    if tx.count_signals(&owner, &id).await? > MAX_UNREAD_SIGNALS {
                        return Err(too_many_signals());
                    }
                    let detail = serde_json::json!({ "signal": signal.name });
                    tx.audit(&owner, "run.signalled", id.as_str(), detail).await
                })
            })
            .await
    }

    /// Asks a run to stop. Its finished steps are undone where they say how.
    ///
    /// # Errors
    /// `not_found` for another tenant's run, `conflict` for one that has ended.
    pub async fn cancel(&self, ctx: &TenantCtx, run: &RunId) -> Result<Run> {
        self.state(ctx, run).await?;
        let (owner, id) = (ctx.clone(), run.clone());
        self.parts
            .store
            .write_at(&[Site::Cancel], move |tx| {
                Box::pin(async move {
                    if !tx.request_run_cancel(&owner, &id).await? {
                        return Err(ended());
                    }
                    tx.audit(&owner, "run.cancel_requested", id.as_str(), Value::Null).await
                })
            })
            .await?;
        self.state(ctx, run).await
    }

    /// Lets a run go on that was set apart because its processes died.
    ///
    /// # Errors
    /// `not_found` for another tenant's run, `conflict` for one that is not set apart.
    pub async fn release(&self, ctx: &TenantCtx, run: &Run) -> Result<Run> {
        let (owner, apart) = (ctx.clone(), run.clone());
        self.parts
            .store
            .write(move |tx| {
                Box::pin(async move {
                    if settle::release(tx, &owner, &apart).await? {
                        return Ok(());
                    }
                    let detail = "The run is not in quarantine: there is nothing to release.";
                    Err(Error::new(connectus_core::Code::Conflict, detail))
                })
            })
            .await?;
        self.state(ctx, &run.id).await
    }

    /// A run as it stands.
    ///
    /// # Errors
    /// `not_found` for another tenant's run.
    pub async fn state(&self, ctx: &TenantCtx, run: &RunId) -> Result<Run> {
        let found = self.parts.store.read().await?.run(ctx, run).await?;
        found.ok_or_else(|| Error::not_found("run"))
    }

    /// Stops taking runs and gives those under way time to end the calls they are in; no new step
    /// begins. What is not at rest in time is dropped and resumed by the next start.
    pub async fn drain(&self, patience: Duration) {
        self.draining.cancel();
        self.parts.door.close(self);
        // Begun and not gone on with: queued again with all others that are under way.
        self.born().clear();
        self.desk.tasks.close();
        // Late tasks lose nothing: every step they finish is journalled or repeated.
        let _ = tokio::time::timeout(patience, self.desk.tasks.wait()).await;
        match tokio::time::timeout(RELEASE_WITHIN, self.abdicate()).await {
            Ok(Ok(())) => {}
            outcome => tracing::warn!(
                action = "engine.drain",
                service = "engine",
                status = "failure",
                ?outcome,
                "could not queue the runs under way; the next start will"
            ),
        }
    }

    /// Whether the loop that takes runs was started and has not ended.
    pub fn is_alive(&self) -> bool {
        !self.desk.tasks.is_empty() && !self.draining.is_cancelled()
    }

    /// What it is at: `working`, `standby` while another process works, `serving` when working is
    /// not its duty.
    pub async fn standing(&self) -> &'static str {
        match (self.duties.works, self.reign.lock().await.is_some()) {
            (false, _) => "serving",
            (true, false) => "standby",
            (true, true) => "working",
        }
    }

    /// Its places, by queue; none when working is not its duty.
    pub fn slots(&self) -> Vec<Slots> {
        let slots = |queue: Queue| Slots {
            busy: self.ready().busy(queue.name),
            queue: queue.name.to_owned(),
            concurrency: queue.concurrency,
        };
        self.parts.queues.of_runs().filter(|_| self.duties.works).map(slots).collect()
    }

    /// Runs being worked on right now.
    pub fn busy(&self) -> usize {
        self.desk.active.len()
    }
}

fn ended() -> Error {
    Error::new(connectus_core::Code::Conflict, "The run has ended already.")
}

fn too_many_signals() -> Error {
    let detail = format!(
        "The run has {MAX_UNREAD_SIGNALS} signals it has not read yet. Send more when it has."
    );
    Error::new(connectus_core::Code::RateLimited, detail).retry_after(5)
}
