//! Tests of the HTTP API: one application per test, called through its router.

#[path = "../support/mod.rs"]
mod support;

mod accounts;
mod collections;
mod edge;
mod events;
mod idempotency;
mod canaries;
mod integrations;
mod oauth;
mod probes;
mod sessions;
mod system;
mod throttling;
mod tokens;
