//! Who hears of a commit: subscribers of its events, and the engine of what there is to do.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use connectus_core::{
    RunId, TenantId, Timestamp,
    event::Event,
    run::{Run, RunStatus},
};
use tokio::sync::{Notify, broadcast};

use crate::{
    ends::{Ended, Ends},
    recent::Recent,
    runs::ReadyRun,
};

/// Events a slow subscriber may lag behind before it is told to catch up from the table.
const EVENT_BUFFER: usize = 1024;

/// Runs an engine is told of one by one. Beyond it it is told to look, as it would have to if
/// nobody collected what is told.
const MAX_TOLD: usize = 10_000;

/// What the engine is told of commits.
#[derive(Debug, Default)]
pub struct Inbox {
    /// There may be work of which nothing more is said.
    pub look: bool,
    /// The earliest time that something new is due.
    pub due: Option<Timestamp>,
    /// Runs that wait for their turn now.
    pub ready: Vec<ReadyRun>,
    /// Runs under way that something came in for.
    pub mail: Vec<(TenantId, RunId)>,
    /// Whether anything was changed that people set up.
    pub(crate) changed: bool,
    /// How runs ended that someone waits for.
    pub(crate) ended: Vec<(RunId, Ended)>,
}

impl Inbox {
    fn add(&mut self, other: Self) {
        self.look |= other.look;
        self.due_at(other.due);
        self.ready.extend(other.ready);
        self.mail.extend(other.mail);
        if self.ready.len() + self.mail.len() > MAX_TOLD {
            *self = Self { look: true, due: self.due, ..Self::default() };
        }
    }

    pub(crate) fn due_at(&mut self, due: Option<Timestamp>) {
        self.due = [self.due, due].into_iter().flatten().min();
    }

    /// A run was accepted.
    pub(crate) fn accepted(&mut self, run: &Run) {
        if run.status == RunStatus::Waiting {
            return self.due_at(Some(run.due_at));
        }
        self.ready.push(ReadyRun::of(run));
    }

    fn is_empty(&self) -> bool {
        !self.look && self.due.is_none() && self.ready.is_empty() && self.mail.is_empty()
    }
}

/// Tells of commits. Done by whoever commits, not by whoever asked for it and may be gone.
#[derive(Clone)]
pub(crate) struct Announcer {
    events: broadcast::Sender<Arc<Event>>,
    recent: Arc<Mutex<Recent>>,
    changes: Arc<AtomicU64>,
    wake: Arc<Notify>,
    inbox: Arc<Mutex<Inbox>>,
    ends: Ends,
}

impl Default for Announcer {
    fn default() -> Self {
        let (events, _) = broadcast::channel(EVENT_BUFFER);
        let (recent, changes, wake, inbox, ends) = Default::default();
        Self { events, recent, changes, wake, inbox, ends }
    }
}

impl Announcer {
    /// A transaction has committed: what it emitted, and what it means for the engine.
    pub fn committed(&self, emitted: Vec<Arc<Event>>, mut told: Inbox) {
        for (run, ended) in std::mem::take(&mut told.ended) {
            self.ends.tell(&run, ended);
        }
        let mut recent = self.recent();
        for event in emitted {
            recent.push(event.clone());
            self.ends.heard(&event);
            // No subscriber is not an error.
            let _ = self.events.send(event);
        }
        drop(recent);
        if told.changed {
            self.changes.fetch_add(1, Ordering::Release);
        }
        if !told.is_empty() {
            self.lock().add(told);
            self.wake.notify_one();
        }
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        // What a poisoned memory lacks is in the table.
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often anything was changed that people set up.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// The events of a tenant right after a position, if they are known here.
    pub fn after(&self, tenant: &TenantId, seq: u64, limit: u32) -> Option<Vec<Arc<Event>>> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        self.recent().after(tenant, seq, limit)
    }

    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Event>> {
        self.events.subscribe()
    }

    pub fn ends(&self) -> &Ends {
        &self.ends
    }

    pub fn wake(&self) {
        self.wake.notify_one();
    }

    pub fn inbox(&self) -> Inbox {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Inbox> {
        // A poisoned inbox is still an inbox: what is added to it is added whole.
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub async fn woken(&self) {
        self.wake.notified().await;
    }
}
