//! What one running process has, handed to every handler.

use std::sync::Arc;

use connectus_core::Env;
use connectus_store::Store;

/// The state behind the HTTP API. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// The parts of an [`App`].
pub struct Parts {
    /// The database.
    pub store: Store,
}

impl App {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// The clock and entropy source.
    pub fn env(&self) -> &Env {
        self.store.env()
    }
}

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
