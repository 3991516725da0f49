//! The only outbound I/O of Connectus: guarded HTTP, OAuth, provider packs, rate governor.
//!
//! Read it in this order: [`http`] sends one request or refuses to; [`packs`] are the providers as
//! data and [`plan`] compiles them; [`credential`] is where secrets come from; [`runtime`] joins
//! the four into a [`Connection`] that reads streams and performs actions under a [`governor`];
//! [`oauth`] speaks the token wire; [`webhook`] knows who is calling us.

pub mod credential;
pub mod governor;
pub mod http;
pub mod mail;
pub mod manifest;
pub mod oauth;
pub mod openapi;
pub mod packs;
pub mod path;
pub mod plan;
pub mod quirks;
mod redact;
pub mod runtime;
pub mod template;
pub mod webhook;
pub mod yaml;

pub use credential::{Access, CredentialSource, Secrets};
pub use governor::{BudgetView, CallRecord, CallSink, Daily};
pub use http::{EgressPolicy, Guarded};
pub use mail::Mailer;
pub use plan::Plan;
pub use runtime::{
    ActionOutcome, Connection, ConnectionReport, Connector, CursorState, Pages, Reachable,
    RecordPage, Sending, Sent, Settings, StreamFacts, StreamInfo, StreamReader, TEST_WITHIN,
    WriteKind, WriteOutcome,
};
