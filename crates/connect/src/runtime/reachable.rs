//! What a provider is once a credential opens it, whatever describes it: a pack or a manifest.
//!
//! Syncs, actions and tests of connections know providers by [`Reachable`] and streams by
//! [`Pages`] and [`StreamFacts`]; nobody above asks which of the two it is.

use std::sync::Arc;

use async_trait::async_trait;
use connectus_core::{Error, Result, Timestamp, flow::Fields};
use serde_json::Value;

use super::{
    ActionOutcome, Connection, ConnectionReport, CursorState, RecordPage, Sending, StreamInfo,
    StreamReader, WriteKind, WriteOutcome,
};
use crate::{
    BudgetView,
    path::JsonPath,
    plan::{StreamPlan, WritePlan},
};

/// A provider, reachable with one credential.
#[async_trait]
pub trait Reachable: Send + Sync {
    /// Proves that provider and credential work, without changing anything.
    ///
    /// # Errors
    /// As any call; `conflict` when there is nothing that could be tested.
    async fn test(&self) -> Result<ConnectionReport>;

    /// The streams and their fields; a provider may be asked for them.
    ///
    /// # Errors
    /// Whatever asking ends with.
    async fn discover(&self) -> Result<Vec<StreamInfo>>;

    /// A stream, as whoever keeps its records must know it.
    ///
    /// # Errors
    /// `not_found` for an unknown stream; `invalid` for one that does not run here, saying why.
    async fn stream(&self, name: &str) -> Result<Arc<dyn StreamFacts>>;

    /// Reads a stream from where a cursor left off; from the start without one.
    ///
    /// # Errors
    /// As [`Self::stream`]; `invalid` for a cursor of another stream.
    async fn read(&self, stream: &str, from: Option<&CursorState>) -> Result<Box<dyn Pages>>;

    /// The same, asking for no more fields than `fields`, where it can be asked so.
    ///
    /// # Errors
    /// As [`Self::read`].
    async fn read_fields(
        &self,
        stream: &str,
        from: Option<&CursorState>,
        _fields: &Fields,
    ) -> Result<Box<dyn Pages>> {
        self.read(stream, from).await
    }

    /// Performs an action; see [`Connection::call`].
    ///
    /// # Errors
    /// `not_found` for an unknown action, else as any call.
    async fn call(&self, _action: &str, _input: &Value, _key: &str) -> Result<ActionOutcome> {
        Err(Error::not_found("action"))
    }

    /// The most rows of a kind that one call takes; none when the stream cannot be written so.
    fn write_limit(&self, _stream: &str, _kind: WriteKind) -> Option<usize> {
        None
    }

    /// Writes rows; see [`Connection::write`].
    ///
    /// # Errors
    /// `not_found` for a stream that cannot be written so, else as any call.
    async fn write(
        &self,
        _stream: &str,
        _kind: WriteKind,
        _match_field: &str,
        _rows: &[Sending],
        _key: &str,
    ) -> Result<WriteOutcome> {
        Err(Error::not_found("way to write"))
    }

    /// What is known about the credential's budget.
    fn budget(&self) -> BudgetView;
}

/// The pages of one stream, to its end.
#[async_trait]
pub trait Pages: Send {
    /// The next page; `None` at the end.
    ///
    /// # Errors
    /// Whatever a request ends with.
    async fn next_page(&mut self) -> Result<Option<RecordPage>>;
}

/// What is to be known of a stream to keep its records.
pub trait StreamFacts: Send + Sync {
    /// What identifies a record; none: its whole content.
    fn key(&self) -> &[JsonPath];

    /// When a record changed at its source, where the stream says so.
    fn changed_at(&self, record: &Value) -> Option<Timestamp>;

    /// Dotted paths of what a record cannot do without: what identifies it and tells when it
    /// changed.
    fn needed(&self) -> Vec<String> {
        self.key().iter().map(JsonPath::dotted).collect()
    }

    /// How it is written; `None` when it cannot.
    fn write(&self) -> Option<&WritePlan>;
}

impl StreamFacts for StreamPlan {
    fn key(&self) -> &[JsonPath] {
        &self.key
    }

    fn changed_at(&self, record: &Value) -> Option<Timestamp> {
        self.delta()?.cursor.as_ref()?.time_of(record)
    }

    fn needed(&self) -> Vec<String> {
        Self::needed(self).collect()
    }

    fn write(&self) -> Option<&WritePlan> {
        self.write.as_ref()
    }
}

#[async_trait]
impl Pages for StreamReader {
    async fn next_page(&mut self) -> Result<Option<RecordPage>> {
        Self::next_page(self).await
    }
}

#[async_trait]
impl Reachable for Connection {
    async fn read_fields(
        &self,
        stream: &str,
        from: Option<&CursorState>,
        fields: &Fields,
    ) -> Result<Box<dyn Pages>> {
        Ok(Box::new(Self::read_fields(self, stream, from, fields)?))
    }

    async fn test(&self) -> Result<ConnectionReport> {
        Self::test(self).await
    }

    async fn discover(&self) -> Result<Vec<StreamInfo>> {
        Ok(Self::discover(self))
    }

    async fn stream(&self, name: &str) -> Result<Arc<dyn StreamFacts>> {
        let plan: Arc<StreamPlan> = Self::stream(self, name)?.clone();
        Ok(plan)
    }

    async fn read(&self, stream: &str, from: Option<&CursorState>) -> Result<Box<dyn Pages>> {
        Ok(Box::new(Self::read(self, stream, from)?))
    }

    async fn call(&self, action: &str, input: &Value, key: &str) -> Result<ActionOutcome> {
        Self::call(self, action, input, key).await
    }

    fn write_limit(&self, stream: &str, kind: WriteKind) -> Option<usize> {
        Self::write_limit(self, stream, kind)
    }

    async fn write(
        &self,
        stream: &str,
        kind: WriteKind,
        match_field: &str,
        rows: &[Sending],
        key: &str,
    ) -> Result<WriteOutcome> {
        Self::write(self, stream, kind, match_field, rows, key).await
    }

    fn budget(&self) -> BudgetView {
        Self::budget(self)
    }
}
