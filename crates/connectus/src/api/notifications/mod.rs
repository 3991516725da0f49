//! What people were told, and what they are about to be told.

use connectus_core::access::Permission::WebhooksRead;

use crate::http::{Access::Needs, Operation, operation::operations};

pub mod list;

pub(super) fn operations() -> Vec<Operation> {
    operations! {
        "notifications.list" = list, Needs(WebhooksRead);
    }
}
