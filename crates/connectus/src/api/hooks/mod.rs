//! Webhooks coming in.

pub mod receive;
pub mod verify_address;

use crate::http::{Access::Public, Operation, operation::operations};

const WHY: &str = "providers prove themselves by signature";

pub(super) fn operations() -> Vec<Operation> {
    operations! {
        "hooks.receive" = receive, Public(WHY);
        "hooks.verify_address" = verify_address, Public(WHY);
    }
}
