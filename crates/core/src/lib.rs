//! The pure domain of Connectus: types, rules and the workflow interpreter.
//!
//! Nothing here does I/O, reads a clock, draws a random number or awaits. Time and entropy arrive
//! as arguments, so the same input always gives the same output, byte for byte.

pub mod access;
pub mod analytics;
pub mod audit;
pub mod canonical;
pub mod collection;
pub mod delivery;
pub mod difference;
pub mod drill;
pub mod env;
pub mod error;
pub mod event;
pub mod expr;
pub mod flow;
pub mod health;
pub mod id;
pub mod integration;
mod named;
pub mod notification;
pub mod page;
pub mod payload;
pub mod provider;
pub mod queue;
pub mod run;
pub mod schedule;
pub mod tenant;
pub mod time;
pub mod workflow;

pub use env::Env;
pub use error::{Code, Error, Result};
pub use id::*;
pub use page::Page;
pub use payload::{Parked, Payload};
pub use tenant::{Actor, TenantCtx};
pub use time::Timestamp;
