//! The audit log: who did what, in a chain that shows tampering.

pub mod list;
pub mod verify;

use connectus_core::access::Permission::AuditRead;

use crate::http::{Access::Needs, Operation, operation::operations};

pub(super) fn operations() -> Vec<Operation> {
    operations! {
        "audit.list" = list, Needs(AuditRead), aliases ["/audit"];
        "audit.verify" = verify, Needs(AuditRead), aliases ["/audit/verify"];
    }
}
