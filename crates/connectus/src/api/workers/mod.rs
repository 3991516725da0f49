//! The processes of this installation.

use connectus_core::access::Permission::WorkflowsRead;

use crate::http::{Access::Needs, Operation, operation::operations};

pub mod list;

pub(super) fn operations() -> Vec<Operation> {
    operations! {
        "workers.list" = list, Needs(WorkflowsRead);
    }
}
