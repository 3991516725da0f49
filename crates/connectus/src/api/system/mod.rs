//! The process itself: health, readiness, metrics, documentation.

pub mod error;
pub mod errors;
pub mod health;
pub mod landing;
pub mod metrics;
pub mod openapi;
pub mod ready;
pub mod reference;
#[cfg(test)]
mod tests;

use crate::http::{Access::Public, Operation, operation::operations};

pub(super) fn operations() -> Vec<Operation> {
    operations! {
        "system.landing" = landing, Public("it says what this is");
        "system.health" = health, Public("load balancers and monitors probe it");
        "system.ready" = ready, Public("load balancers and monitors probe it");
        "system.metrics" = metrics, Public("Prometheus reads it; it names no tenant");
        "system.openapi" = openapi, Public("the description of the API is no secret");
        "system.docs" = reference, Public("the description of the API is no secret");
        "system.errors" = errors, Public("error codes are no secret");
        "system.error" = error, Public("error codes are no secret");
    }
}
