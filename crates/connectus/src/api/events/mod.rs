//! What happened, live and from the record.

pub mod handlers;
pub mod log;
pub mod places;
pub mod query;
pub mod stream;

use connectus_core::access::Permission::HealthRead;

use crate::http::{Access::Needs, Operation, operation::operations};

pub(super) fn operations() -> Vec<Operation> {
    operations! {
        "events.stream" = stream, Needs(HealthRead), aliases ["/events", "/integrations/events"];
        "events.handlers" = handlers, Needs(HealthRead);
        "events.log" = log, Needs(HealthRead), aliases ["/events/log"];
    }
}
