//! Journeys through the whole product: real router, real engine, both databases, fakes on
//! loopback, simulated time.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "all of this is test code; clippy knows it of functions marked #[test] only"
)]

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "the test programs share it; each uses a part")]
mod support;

mod aliases;
mod answers;
mod bad_input;
mod brought;
mod data_flow;
mod endpoint;
mod new_lead_alert;
mod provider_faults;
mod runs;
mod secrets;
mod versions;
mod workflow_tests;
