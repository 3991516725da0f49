//! Journeys through the whole product: real router, real engine, both databases, fakes on
//! loopback, simulated time.

#[path = "../support/mod.rs"]
mod support;

mod aliases;
mod bad_input;
mod data_flow;
mod new_lead_alert;
mod provider_faults;
