//! What every driver must do, on both databases.
#![cfg(test)]

mod bulk;
mod bus;
mod engines;
mod generations;
mod mail;
mod provider;
mod queues;
mod repeats;
mod retention;
mod runs;
#[path = "../support/mod.rs"]
mod support;
mod triggers;
