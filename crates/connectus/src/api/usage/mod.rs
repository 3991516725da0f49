//! Calls made to providers.

pub mod list;

use connectus_core::access::Permission::HealthRead;

use crate::http::{Access::Needs, Operation, operation::operations};

pub(super) fn operations() -> Vec<Operation> {
    operations! {
        "usage.list" = list, Needs(HealthRead), aliases ["/integrations/usage"];
    }
}
