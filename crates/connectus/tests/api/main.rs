//! Tests of the HTTP API: one application per test, called through its router.

#[path = "../support/mod.rs"]
mod support;

mod accounts;
mod edge;
mod idempotency;
mod canaries;
mod integrations;
mod oauth;
mod probes;
mod sessions;
mod throttling;
mod tokens;
