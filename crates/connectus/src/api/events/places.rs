//! How many event streams one caller may hold open.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use connectus_core::{Code, Error, Result, TenantCtx};

use crate::telemetry::metrics;

/// Seconds after which a refused caller may try again.
const RETRY_AFTER: u64 = 30;

/// The open streams of this process by caller. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Places {
    most: usize,
    open: Arc<Mutex<HashMap<String, usize>>>,
}

/// One open stream, until dropped.
#[derive(Debug)]
pub struct Place {
    holder: String,
    places: Places,
}

impl Places {
    /// So many for each caller.
    pub fn with(most: usize) -> Self {
        Self { most, open: Arc::default() }
    }

    /// Takes a place for a caller.
    ///
    /// # Errors
    /// `rate_limited` when the caller has none left.
    pub fn take(&self, ctx: &TenantCtx) -> Result<Place> {
        let holder = format!("{}/{}", ctx.tenant(), ctx.actor().label());
        let mut open = self.lock();
        let held = open.entry(holder.clone()).or_default();
        if *held >= self.most {
            let detail = format!("You hold {} event streams open; close one first.", self.most);
            return Err(Error::new(Code::RateLimited, detail).retry_after(RETRY_AFTER));
        }
        *held += 1;
        metrics::streams(open.values().sum());
        Ok(Place { holder, places: self.clone() })
    }

    /// How many streams are open.
    pub fn held(&self) -> usize {
        self.lock().values().sum()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.places.lock();
        if let Some(held) = open.get_mut(&self.holder) {
            *held -= 1;
            if *held == 0 {
                open.remove(&self.holder);
            }
        }
        metrics::streams(open.values().sum());
    }
}
