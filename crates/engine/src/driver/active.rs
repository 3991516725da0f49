//! Which runs this process works on right now.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use connectus_core::{RunId, TenantId};
use connectus_store::runs::ReadyRun;
use tokio::sync::Notify;

/// The runs under way, by queue.
#[derive(Default)]
pub(super) struct Active {
    runs: Mutex<HashMap<ReadyRun, Entry>>,
}

struct Entry {
    queue: &'static str,
    nudge: Arc<Notify>,
}

impl Active {
    fn lock(&self) -> MutexGuard<'_, HashMap<ReadyRun, Entry>> {
        // A poisoned map is still a map: entries are inserted and removed whole.
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    pub(super) fn in_queue(&self, queue: &str) -> usize {
        self.lock().values().filter(|entry| entry.queue == queue).count()
    }

    /// Takes a run; `None` when this process works on it already.
    pub(super) fn take(&self, run: &ReadyRun, queue: &'static str) -> Option<Arc<Notify>> {
        let mut runs = self.lock();
        if runs.contains_key(run) {
            return None;
        }
        let nudge = Arc::new(Notify::new());
        runs.insert(run.clone(), Entry { queue, nudge: nudge.clone() });
        Some(nudge)
    }

    pub(super) fn release(&self, run: &ReadyRun) {
        self.lock().remove(run);
    }

    /// Tells the task that works on a run to look for signals.
    pub(super) fn nudge(&self, tenant: &TenantId, run: &RunId) {
        let key = ReadyRun { tenant: tenant.clone(), id: run.clone() };
        if let Some(entry) = self.lock().get(&key) {
            entry.nudge.notify_one();
        }
    }
}
