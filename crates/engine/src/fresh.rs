//! What was read a moment ago and nobody has changed since: for what every delivery asks again.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use connectus_core::{Result, Timestamp};
use connectus_store::Store;

/// Values kept at most; beyond it all are forgotten and read again as needed.
const KEPT: usize = 1_000;
/// Microseconds after which a value is read again. What this process changes counts at once, what
/// another one changes after so long.
const AGE: i64 = 1_000_000;

/// Values by key, as they were read.
pub(crate) struct Fresh<K, V>(Mutex<HashMap<K, Kept<V>>>);

struct Kept<V> {
    value: Arc<V>,
    /// How often anything had been changed before it was read.
    changes: u64,
    at: Timestamp,
}

impl<K, V> Default for Fresh<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V> Fresh<K, V> {
    /// The value of a key, read unless it is fresh.
    ///
    /// # Errors
    /// What reading says; errors are not kept.
    pub async fn get<R>(&self, store: &Store, key: K, read: impl FnOnce() -> R) -> Result<Arc<V>>
    where
        R: Future<Output = Result<V>>,
    {
        // Before it is read: what changes meanwhile makes it stale.
        let (changes, at) = (store.changes(), store.env().now());
        if let Some(value) = self.fresh(&key, changes, at) {
            return Ok(value);
        }
        // Apart: it is rare, and large.
        let value = Arc::new(Box::pin(read()).await?);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(key, Kept { value: value.clone(), changes, at });
        Ok(value)
    }

    fn fresh(&self, key: &K, changes: u64, now: Timestamp) -> Option<Arc<V>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.get(key)?;
        let is_fresh = kept.changes == changes && (0..AGE).contains(&(now.0 - kept.at.0));
        is_fresh.then(|| kept.value.clone())
    }
}
