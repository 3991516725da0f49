//! The only SQL of Connectus. It is dumb storage: rows in, rows out. Decisions, identifiers and
//! times come from the layers above.
//!
//! - Reads: [`Store::read`] hands out a [`Conn`]; its methods are the queries.
//! - Writes: [`Store::write`] runs a closure on a [`Tx`], which commits as one transaction. On
//!   SQLite all writes pass one writer that commits what has queued together (group commit).
//! - Every SQL text is written once and runs on both databases; a test prepares all of them on
//!   both.

pub mod analytics;
mod announce;
pub mod api_keys;
pub mod audit;
pub mod blobs;
mod checkpoint;
pub mod collections;
pub mod conn;
pub mod credentials;
mod cursors;
pub mod deliveries;
pub mod effects;
pub mod ends;
mod error;
pub mod event_cursors;
pub mod events;
pub mod figures;
pub mod flows;
pub mod health_figures;
pub mod health_logs;
pub mod idempotency;
pub mod inspect;
mod installation;
pub mod integrations;
mod integrity;
pub mod journal;
pub mod links;
pub mod login_attempts;
pub mod logins;
pub mod notification_rules;
pub mod notifications;
pub mod oauth_states;
mod ownership;
pub mod plans;
pub mod provider_versions;
pub mod providers;
mod provision;
pub mod queues;
mod readers;
pub mod receipts;
mod recent;
pub mod records;
pub mod refresh_tokens;
pub mod rejected;
pub mod request;
pub mod rotation;
mod rows;
pub mod runs;
mod schema;
pub mod seal;
pub mod setup_links;
mod sql;
pub mod steps;
mod store;
pub mod system;
pub mod tables;
pub mod tenants;
pub mod usage;
pub mod users;
pub mod webhook_endpoints;
pub mod webhook_subscriptions;
pub mod workers;
pub mod workflow_endpoints;
pub mod workflow_tests;
pub mod workflow_versions;
pub mod workflow_watches;
pub mod workflows;
mod writer;

pub use announce::Inbox;
pub use blobs::Blobs;
pub use conn::{Conn, Tx};
pub use error::{StoreError, StoreResult};
pub use ownership::Ownership;
pub use rows::Rows;
pub use sql::{ALL as SQL_STATEMENTS, DIFFERING as SQL_DIALECTS, Dialects, MANY_ROWS as SQL_ROWS};
pub use store::{Database, Store, StoreConfig};
