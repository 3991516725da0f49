//! What one running process has, handed to every handler.

use std::sync::Arc;

use connectus_core::Env;
use connectus_engine::Engine;
use tokio_util::sync::CancellationToken;

use crate::{
    api::events::{places::Places, tickets::Tickets},
    auth::Auth,
    config::Settings,
    process::Readiness,
};

/// The state behind the HTTP API. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// The parts of an [`App`].
pub struct Parts {
    /// What the engine works with: the database, ways to the providers.
    pub engine_parts: connectus_engine::Parts,
    /// The engine.
    pub engine: Engine,
    /// Who calls.
    pub auth: Auth,
    /// The address at which the outside world reaches this process, without a trailing slash.
    /// Providers sign it, so it must be exactly what they were told.
    pub public_url: String,
    /// The settings in force.
    pub settings: Settings,
    /// Whether this process can do its work.
    pub readiness: Readiness,
    /// The event streams that callers hold open.
    pub places: Places,
    /// What opens event streams for pages that cannot send headers.
    pub tickets: Tickets,
    /// Cancelled when the process is told to stop.
    pub stopping: CancellationToken,
}

impl App {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// The clock and entropy source.
    pub fn env(&self) -> &Env {
        self.engine_parts.env()
    }

    /// The database.
    pub fn store(&self) -> &connectus_store::Store {
        &self.engine_parts.store
    }
}

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
