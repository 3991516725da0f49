//! The far ends of data flows: what a collection is kept alike with. A provider is one; a table
//! and a receiver of webhooks are others. The sync knows only [`End`].
//!
//! Adding one is a file here, a line in [`LIST`] and a pack under `providers/` that names its
//! settings and secrets.

mod provider;
mod table;
mod webhook;

use std::sync::Arc;

use async_trait::async_trait;
use connectus_connect::{
    CursorState, Pages, Secrets, Sending, StreamFacts, WriteKind, WriteOutcome, path::JsonPath,
};
use connectus_core::{
    Error, Result, TenantCtx, Timestamp,
    flow::{DataFlow, Fields},
};
use futures::future::BoxFuture;
use serde_json::{Map, Value};

use crate::parts::Parts;

/// The field that stands for a record's own key, where the end tells things apart by it.
pub(crate) const BY_KEY: &str = "_key";

/// What the sync knows of an end.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// What identifies a record that is read.
    pub key: Vec<JsonPath>,
    /// Paths that stay whatever fields are read.
    pub needed: Vec<String>,
    /// How records are sent; none: they are not.
    pub write: Option<Write>,
}

/// How an end tells apart what it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Write {
    /// By what.
    pub by: By,
    /// Whether things whose id is known are changed by it, with what changed alone.
    pub updates: bool,
}

/// What tells things of an end apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// The value of a field; this one where the flow names no other.
    Field(Option<String>),
    /// The key of the record here.
    Key,
}

impl Facts {
    /// Of a provider's stream.
    pub fn of(stream: &dyn StreamFacts) -> Self {
        let write = stream.write().map(|write| Write {
            by: By::Field(write.match_field.as_deref().map(str::to_owned)),
            updates: write.update.is_some(),
        });
        Self { key: stream.key().to_vec(), needed: stream.needed(), write }
    }

    /// Of an end that takes records by their own keys.
    fn by_key() -> Self {
        let write = Write { by: By::Key, updates: false };
        Self { write: Some(write), ..Self::default() }
    }
}

/// The far end of a data flow, made ready for this flow.
#[async_trait]
pub(crate) trait End: Send + Sync {
    /// What is known of it.
    fn facts(&self) -> &Facts;

    /// Begins to read, from where `cursor` says.
    ///
    /// # Errors
    /// What is wrong with the cursor or the end.
    async fn read(&self, cursor: Option<&CursorState>, fields: &Fields) -> Result<Box<dyn Pages>>;

    /// When the full read began that goes on at `cursor`; none when only changes are read.
    fn full_since(&self, cursor: Option<&CursorState>, now: Timestamp) -> Option<Timestamp>;

    /// When a record changed there, where it says so.
    fn changed_at(&self, _record: &Value) -> Option<Timestamp> {
        None
    }

    /// The most rows of a kind that one call takes; none when the end cannot be written so.
    fn write_limit(&self, kind: WriteKind) -> Option<usize>;

    /// Writes rows, no more than [`Self::write_limit`]. Harmless to repeat.
    ///
    /// # Errors
    /// As any call; then nothing is known of any row.
    async fn write(
        &self,
        kind: WriteKind,
        match_field: &str,
        rows: &[Sending],
        key: &str,
    ) -> Result<WriteOutcome>;

    /// A sync has sent all there was.
    ///
    /// # Errors
    /// As any call; the sync is tried again.
    async fn finish(&self) -> Result<()> {
        Ok(())
    }
}

/// What opening an end takes.
pub(crate) struct Opening<'a> {
    pub parts: &'a Parts,
    pub ctx: &'a TenantCtx,
    pub flow: &'a DataFlow,
    pub settings: Map<String, Value>,
    pub secrets: Secrets,
}

impl Opening<'_> {
    /// A setting that is a text.
    fn text(&self, name: &str) -> Option<&str> {
        self.settings.get(name).and_then(Value::as_str)
    }
}

/// Makes an end ready for a flow.
type Open = for<'a> fn(Opening<'a>) -> BoxFuture<'a, Result<Arc<dyn End>>>;

/// A kind of end that is no provider.
pub(crate) struct Kind {
    /// The name of its pack.
    pub provider: &'static str,
    /// What the stream of a flow is, and what is wrong with one.
    pub check: fn(&DataFlow) -> Result<()>,
    open: Open,
}

/// The ends that are no providers.
pub(crate) const LIST: &[Kind] = &[webhook::KIND, table::SQLITE, table::POSTGRES];

/// The kind of end that a provider's name stands for; none for a provider proper.
pub(crate) fn kind(provider: &str) -> Option<&'static Kind> {
    LIST.iter().find(|kind| kind.provider == provider)
}

/// Makes the far end of a flow ready. Nothing is sent to a provider.
///
/// # Errors
/// What is wrong with the integration; of a table that is read, what the database says.
pub(crate) async fn open(
    parts: &Parts,
    ctx: &TenantCtx,
    flow: &DataFlow,
    provider: &str,
) -> Result<Arc<dyn End>> {
    let Some(kind) = kind(provider) else {
        return provider::open(parts, ctx, flow).await;
    };
    let (settings, secrets) = parts.connections.opened(ctx, &flow.integration).await?;
    (kind.open)(Opening { parts, ctx, flow, settings, secrets }).await
}

/// An end that cannot be read.
fn unreadable(what: &str) -> Error {
    Error::invalid("/direction", format!("{what} can only be written: `outbound`."))
}
