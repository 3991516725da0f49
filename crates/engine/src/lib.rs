//! Execution: runs of every kind survive the process that works on them.
//!
//! [`driver`] takes runs whose time has come and works on them; [`actions`] is the list of what a
//! workflow step can do; [`webhooks`], [`schedule`] and [`triggers`] start runs; [`workflows`] and
//! the flow modules are what the API calls.

pub mod actions;
pub mod answers;
pub mod bus;
pub mod collections;
pub mod compare;
pub mod connections;
pub mod deliveries;
pub mod driver;
mod ends;
pub mod flows;
mod fresh;
pub mod health;
pub mod history;
pub mod notifications;
pub mod parts;
pub mod programs;
pub mod providers;
pub mod queues;
pub mod retention;
pub mod schedule;
pub mod sync;
pub mod triggers;
mod versions;
pub mod webhooks;
pub mod workflows;

pub use driver::Engine;
pub use parts::Parts;
