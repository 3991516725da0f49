//! The process itself: health, readiness, metrics, documentation.

pub mod error;
pub mod errors;
pub mod health;
pub mod landing;
pub mod metrics;
pub mod openapi;
pub mod ready;
pub mod reference;
pub mod set_up;
pub mod set_up_form;

use crate::http::{Access::Public, Operation, operation::operations};

/// What a process without the role `api` still answers: whether it is well.
pub(crate) fn vital_operations() -> Vec<Operation> {
    let vital = ["system.health", "system.ready", "system.metrics"];
    operations().into_iter().filter(|operation| vital.contains(&operation.id)).collect()
}

pub(super) fn operations() -> Vec<Operation> {
    operations! {
        "system.landing" = landing, Public("it says what this is");
        "system.set_up_form" = set_up_form, Public("nobody can sign in before the first owner");
        "system.set_up" = set_up, Public("its one-time token is the credential");
        "system.health" = health, Public("load balancers and monitors probe it");
        "system.ready" = ready, Public("load balancers and monitors probe it");
        "system.metrics" = metrics, Public("Prometheus reads it; it names no tenant");
        "system.openapi" = openapi, Public("the description of the API is no secret");
        "system.docs" = reference, Public("the description of the API is no secret");
        "system.errors" = errors, Public("error codes are no secret");
        "system.error" = error, Public("error codes are no secret");
    }
}
