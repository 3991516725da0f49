//! Everything the HTTP API can do: one folder per resource, one file per endpoint, one list.

use connectus_core::access::Permission::ProvidersRead;

use crate::http::{
    Access::{Needs, Public},
    Operation,
    operation::operations,
};

pub mod providers;
pub mod system;

/// The table of operations.
pub fn operations() -> Vec<Operation> {
    operations! {
        "system.health" = system::health, Public("load balancers and monitors probe it");
        "providers.list" = providers::list, Needs(ProvidersRead),
            aliases ["/integrations/providers"];
    }
}
