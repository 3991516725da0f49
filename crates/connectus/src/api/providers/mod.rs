//! Outside services Connectus can connect to.

pub mod list;

use connectus_core::access::Permission::ProvidersRead;

use crate::http::{Access::Needs, Operation, operation::operations};

pub(super) fn operations() -> Vec<Operation> {
    operations! {
        "providers.list" = list, Needs(ProvidersRead),
            aliases ["/integrations/providers"];
    }
}
