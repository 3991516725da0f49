//! Outgoing webhooks: tenants' events, delivered to the addresses that want them.
//!
//! - [`subscriptions`] is what people do with addresses and their secrets, [`replay`] what they do
//!   with deliveries.
//! - `outbox` makes deliveries out of the event log, behind a cursor for each subscription.
//!   Emitting an event costs nothing for it.
//! - `courier` claims what is due, `attempt` sends it, `outcome` writes down what became of it.
//!
//! A delivery is sent at least once. Every attempt and replay of it has the same `webhook-id`.

mod attempt;
mod courier;
mod outbox;
mod outcome;
pub mod replay;
pub mod subscriptions;

pub(crate) use courier::{Courier, Look};
