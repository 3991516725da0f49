//! What the engine works with.

use std::sync::Arc;

use connectus_connect::Mailer;
use connectus_core::{EndpointId, Env, TenantId, queue::Queues};
use connectus_store::{Store, workflows::WorkflowRow};

use crate::{
    bus::BusSettings,
    connections::Connections,
    driver::Door,
    fresh::Fresh,
    programs::Programs,
    triggers::{endpoint::Address, pace::Pace},
};

/// The workflows that webhooks start, as they were read last. Cheap to clone.
#[derive(Clone, Default)]
pub struct Triggered {
    /// Those that wait for events of providers, by tenant.
    pub(crate) by_providers: Arc<Fresh<TenantId, Vec<WorkflowRow>>>,
    /// Those with addresses of their own, by address.
    pub(crate) addresses: Arc<Fresh<(TenantId, EndpointId), Option<Address>>>,
}

/// What the engine works with. Cheap to clone.
#[derive(Clone)]
pub struct Parts {
    /// The database.
    pub store: Store,
    /// Ways to the providers.
    pub connections: Connections,
    /// Compiled workflow definitions.
    pub programs: Programs,
    /// The queues with the limits that hold in this process.
    pub queues: Arc<Queues>,
    /// Where runs come in.
    pub door: Door,
    /// The workflows that webhooks start.
    pub triggered: Triggered,
    /// What the settings say about events.
    pub bus: BusSettings,
    /// How often workflows are called at their addresses.
    pub pace: Pace,
    /// The way to people's letter boxes, where there is one.
    pub mailer: Mailer,
    /// Where others reach the API, without a trailing slash; empty where nobody does.
    pub public_url: Arc<str>,
}

impl Parts {
    /// The clock and entropy source.
    pub fn env(&self) -> &Env {
        self.store.env()
    }
}
