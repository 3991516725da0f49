//! Tests of the HTTP API: one application per test, called through its router.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "all of this is test code; clippy knows it of functions marked #[test] only"
)]

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "the test programs share it; each uses a part")]
mod support;

mod accounts;
mod analytics;
mod approvals;
mod canaries;
mod collections;
mod edge;
mod events;
mod executions;
mod idempotency;
mod integrations;
mod notifications;
mod oauth;
mod payloads;
mod probes;
#[path = "../../../connect/tests/it/server.rs"]
#[expect(dead_code, reason = "a part of it is enough here")]
mod receiver;
mod sessions;
mod sockets;
mod steps;
mod system;
mod throttling;
mod tokens;
mod webhooks;
