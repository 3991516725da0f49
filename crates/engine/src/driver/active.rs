//! Which runs this process works on right now.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use connectus_core::{RunId, TenantId};
use connectus_store::runs::RunClaim;
use tokio::sync::Notify;

type Key = (TenantId, RunId);

/// The runs under way.
#[derive(Default)]
pub(super) struct Active {
    runs: Mutex<HashMap<Key, Entry>>,
}

struct Entry {
    claim: i64,
    nudge: Arc<Notify>,
}

fn key(claim: &RunClaim) -> Key {
    (claim.tenant.clone(), claim.run.clone())
}

impl Active {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        // A poisoned map is still a map: entries are inserted and removed whole.
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Notes that work on a claimed run begins. It takes the place of an earlier claim, whose task
    /// has nothing more to do than to end.
    pub(super) fn begin(&self, claim: &RunClaim) -> Arc<Notify> {
        let nudge = Arc::new(Notify::new());
        let entry = Entry { claim: claim.number, nudge: nudge.clone() };
        self.lock().insert(key(claim), entry);
        nudge
    }

    /// Whether work under a claim is under way.
    pub(super) fn holds(&self, claim: &RunClaim) -> bool {
        self.lock().get(&key(claim)).is_some_and(|entry| entry.claim == claim.number)
    }

    /// Notes that work under a claim has ended. Returns how many runs are still under way.
    pub(super) fn end(&self, claim: &RunClaim) -> usize {
        let (mut runs, key) = (self.lock(), key(claim));
        if runs.get(&key).is_some_and(|entry| entry.claim == claim.number) {
            runs.remove(&key);
        }
        runs.len()
    }

    /// Tells the task that works on a run that something came in for it.
    pub(super) fn nudge(&self, key: &Key) {
        if let Some(entry) = self.lock().get(key) {
            entry.nudge.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_an_earlier_claim_leaves_the_later_one_alone() {
        let active = Active::default();
        let claim = |number| RunClaim {
            tenant: TenantId::trusted("ten_1"),
            run: RunId::trusted("run_1"),
            number,
        };
        active.begin(&claim(1));
        active.begin(&claim(2));
        active.end(&claim(1));
        assert!(active.holds(&claim(2)) && !active.holds(&claim(1)));
        active.end(&claim(2));
        assert_eq!(active.len(), 0);
    }
}
