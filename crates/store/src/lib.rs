//! The only SQL of Connectus. It is dumb storage: rows in, rows out. Decisions, identifiers and
//! times come from the layers above.
//!
//! - Reads: [`Store::read`] hands out a [`Conn`]; its methods are the queries.
//! - Writes: [`Store::write`] runs a closure on a [`Tx`], which commits as one transaction. On
//!   SQLite all writes pass one writer that commits what has queued together (group commit).
//! - Every SQL text is written once and runs on both databases; a test prepares all of them on both.

pub mod conn;
mod error;
pub mod seal;
mod sql;
mod store;
pub mod system;
mod writer;

pub mod effects;
mod events;
mod installation;
pub mod journal;
mod receipts;
pub mod runs;
pub mod steps;
pub mod tenants;
pub mod workflows;

pub use conn::{Conn, Tx};
pub use error::{StoreError, StoreResult};
pub use sql::ALL as SQL_STATEMENTS;
pub use store::{Database, Store, StoreConfig};
