//! What happened, live and from the record.

pub mod follower;
pub mod handlers;
pub mod log;
pub mod places;
pub mod query;
pub mod socket;
pub mod stream;
pub mod ticket;
pub mod tickets;

use connectus_core::access::Permission::HealthRead;

use crate::http::{Access::Needs, Operation, operation::operations};

pub(super) fn operations() -> Vec<Operation> {
    operations! {
        "events.stream" = stream, Needs(HealthRead), aliases ["/events", "/integrations/events"];
        "events.ws" = socket, Needs(HealthRead), aliases ["/events/ws"];
        "events.ticket" = ticket, Needs(HealthRead);
        "events.handlers" = handlers, Needs(HealthRead);
        "events.log" = log, Needs(HealthRead), aliases ["/events/log"];
    }
}
