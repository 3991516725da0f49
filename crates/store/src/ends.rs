//! Who waits for a run to end. A commit of this process tells them at once; those who wait for a
//! run of another process look by themselves now and then.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use connectus_core::{
    RunId, TenantId,
    event::Event,
    run::{Failure, RunStatus},
};
use serde_json::Value;
use tokio::sync::watch;

/// Most that wait for runs to end in one process.
pub const MAX_WAITING: usize = 2_000;
/// Most of them that wait for runs of one tenant.
pub const MAX_WAITING_OF_TENANT: usize = 500;

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// Its last status.
    pub status: RunStatus,
    /// What it made.
    pub output: Option<Value>,
    /// Why it ended badly.
    pub error: Option<Failure>,
}

/// What is known of the end of a run.
#[derive(Clone, Default)]
enum Heard {
    /// Nothing yet.
    #[default]
    Nothing,
    /// That it has ended, and how where whoever ended it said so.
    End(Option<Arc<Ended>>),
}

/// Those who wait. Cheap to clone.
#[derive(Clone, Default)]
pub struct Ends(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// How many wait, so that a commit nobody waits for costs one look.
    count: AtomicUsize,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    runs: HashMap<String, watch::Sender<Heard>>,
    of_tenants: HashMap<TenantId, usize>,
}

/// A place among those who wait, until dropped.
pub struct End {
    ends: Ends,
    tenant: TenantId,
    run: RunId,
    heard: watch::Receiver<Heard>,
}

impl Ends {
    /// Waits for a run from now on. `None` while too many wait.
    ///
    /// Whoever asks after the run was accepted looks at it once more: it may have ended before.
    pub fn expect(&self, tenant: &TenantId, run: &RunId) -> Option<End> {
        let mut waiting = self.lock();
        let held = waiting.of_tenants.get(tenant).copied().unwrap_or_default();
        if held >= MAX_WAITING_OF_TENANT || self.0.count.load(Ordering::SeqCst) >= MAX_WAITING {
            return None;
        }
        self.0.count.fetch_add(1, Ordering::SeqCst);
        waiting.of_tenants.insert(tenant.clone(), held + 1);
        let sender = waiting.runs.entry(run.as_str().to_owned());
        let heard = sender.or_insert_with(|| watch::Sender::new(Heard::Nothing)).subscribe();
        Some(End { ends: self.clone(), tenant: tenant.clone(), run: run.clone(), heard })
    }

    /// Whether anyone waits for a run.
    pub fn are_awaited(&self, run: &RunId) -> bool {
        self.0.count.load(Ordering::SeqCst) > 0 && self.lock().runs.contains_key(run.as_str())
    }

    /// A run has ended like this.
    pub(crate) fn tell(&self, run: &RunId, ended: Ended) {
        if let Some(sender) = self.lock().runs.remove(run.as_str()) {
            sender.send_replace(Heard::End(Some(Arc::new(ended))));
        }
    }

    /// An event was committed.
    pub(crate) fn heard(&self, event: &Event) {
        if self.0.count.load(Ordering::SeqCst) == 0 || !event.kind.ends_run() {
            return;
        }
        if let Some(sender) = self.lock().runs.remove(&event.subject) {
            sender.send_replace(Heard::End(None));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl End {
    /// Returns when the run has ended by a commit of this process, and how if that was said.
    pub async fn come(&mut self) -> Option<Arc<Ended>> {
        // The sender goes only after it has told.
        match self.heard.wait_for(|heard| matches!(heard, Heard::End(_))).await.as_deref() {
            Ok(Heard::End(ended)) => ended.clone(),
            _ => None,
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let mut waiting = self.ends.lock();
        self.ends.0.count.fetch_sub(1, Ordering::SeqCst);
        if let Some(held) = waiting.of_tenants.get_mut(&self.tenant) {
            *held -= 1;
            if *held == 0 {
                waiting.of_tenants.remove(&self.tenant);
            }
        }
        // Its own receiver is the last one.
        let sender = waiting.runs.get(self.run.as_str());
        if sender.is_some_and(|sender| sender.receiver_count() <= 1) {
            waiting.runs.remove(self.run.as_str());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> (TenantId, RunId) {
        (TenantId::trusted("t"), RunId::trusted("r"))
    }

    #[test]
    fn nothing_is_kept_of_those_who_gave_up() {
        let ends = Ends::default();
        let (tenant, run) = names();
        let (first, second) = (ends.expect(&tenant, &run), ends.expect(&tenant, &run));
        drop(first);
        assert_eq!(ends.lock().runs.len(), 1, "somebody still waits");
        drop(second);
        let waiting = ends.lock();
        assert!(waiting.runs.is_empty() && waiting.of_tenants.is_empty());
        assert_eq!(ends.0.count.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn a_tenant_leaves_room_for_others_and_all_leave_room_for_the_process() {
        let ends = Ends::default();
        let place = |tenant: usize, run: usize| {
            let tenant = TenantId::trusted(format!("t{tenant}"));
            ends.expect(&tenant, &RunId::trusted(format!("r{run}")))
        };
        let mut held: Vec<_> = (0..MAX_WAITING_OF_TENANT).map(|run| place(0, run)).collect();
        assert!(held.iter().all(Option::is_some) && place(0, 0).is_none());
        held.extend((MAX_WAITING_OF_TENANT..MAX_WAITING).map(|run| place(1 + run / 400, run)));
        assert!(held.iter().all(Option::is_some) && place(99, 0).is_none());
        held.pop();
        assert!(place(99, 0).is_some());
    }
}
