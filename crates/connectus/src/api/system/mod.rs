//! The process itself: health, readiness, metrics, documentation.

pub mod health;

use crate::http::{Access::Public, Operation, operation::operations};

pub(super) fn operations() -> Vec<Operation> {
    operations! {
        "system.health" = health, Public("load balancers and monitors probe it");
    }
}
