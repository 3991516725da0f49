//! Deliveries: events on their way to subscribers, and the log of their attempts.

pub mod get;
pub mod list;
pub mod replay;
mod view;

use connectus_core::{
    DeliveryId, Error, Result,
    access::Permission::{WebhooksRead, WebhooksRun},
};

pub use view::{AttemptView, DeliveryView, DeliveryWithAttempts};

use crate::http::{Access::Needs, Operation, operation::operations};

pub(super) fn operations() -> Vec<Operation> {
    operations! {
        "deliveries.list" = list, Needs(WebhooksRead), aliases [];
        "deliveries.get" = get, Needs(WebhooksRead), aliases [];
        "deliveries.replay" = replay, Needs(WebhooksRun), aliases [];
    }
}

/// The identifier that a path names.
fn id(text: &str) -> Result<DeliveryId> {
    DeliveryId::parse(text).ok_or_else(|| Error::not_found("delivery"))
}
