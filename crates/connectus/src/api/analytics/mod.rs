//! Figures made of events, for dashboards.

use connectus_core::access::Permission::HealthRead;

use crate::http::{Access::Needs, Operation, operation::operations};

pub mod events;
mod fold;
pub mod outcomes;
pub mod runs;
pub mod span;
pub mod syncs;

pub(super) fn operations() -> Vec<Operation> {
    operations! {
        "analytics.runs" = runs, Needs(HealthRead);
        "analytics.syncs" = syncs, Needs(HealthRead);
        "analytics.events" = events, Needs(HealthRead);
    }
}
