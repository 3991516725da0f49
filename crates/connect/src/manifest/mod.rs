//! Airbyte's declarative manifests, run as they are.
//!
//! Read it in this order: [`document`] reads the YAML, follows references, infers types and hands
//! parameters down; [`interpolation`] evaluates texts with `{{ }}` in them; [`settings`] holds the
//! settings to their specification; [`stream`] compiles a stream into requests ([`request`], signed
//! by [`auth`]), pages ([`paging`]) that are made JSON ([`decode`]), records ([`records`]) and
//! slices ([`slices`]); [`jobs`] is what comes before pages where a provider takes its time, and
//! [`properties`] what has to be asked for by name; [`dynamic`] makes streams of templates;
//! [`reader`] reads a stream; [`source`] is a manifest with its settings; [`protocol`] speaks the
//! Airbyte protocol; [`support`] says what runs here. What people brought is an [`offer`]; with an
//! integration's settings and [`secrets`] it becomes a [`connection`].

pub mod auth;
pub(crate) mod connection;
pub mod decode;
pub mod document;
pub mod dynamic;
pub mod interpolation;
pub mod jobs;
pub mod offer;
mod pages;
pub mod paging;
pub mod properties;
pub mod protocol;
pub mod reader;
pub mod records;
pub mod request;
pub mod schema;
pub mod secrets;
pub mod settings;
pub mod slices;
pub mod source;
pub mod stream;
pub mod support;
pub mod text;

#[cfg(test)]
mod tests;

pub use document::{Document, load};
pub use offer::Offer;
pub use protocol::{Messages, Selected};
pub use source::{Source, Ways};
pub use support::{Report, report};
