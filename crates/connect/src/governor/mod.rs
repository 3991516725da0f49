//! The rate governor: one budget per external credential.

use std::sync::Arc;

use connectus_core::{Code, Timestamp};
use serde::Serialize;

/// One call, as it is counted.
#[derive(Clone, Debug)]
pub struct CallRecord {
    /// The credential it was made with.
    pub credential: Arc<str>,
    /// The provider.
    pub provider: Arc<str>,
    /// The stream, action or `check`.
    pub operation: Arc<str>,
    /// The answer's status; `None` when there was no answer.
    pub status: Option<u16>,
    /// Why it failed, if it did.
    pub error: Option<Code>,
    /// How long it took, in milliseconds.
    pub latency_ms: u64,
    /// When it ended.
    pub at: Timestamp,
}

/// Counts calls: usage, failures, latency. Called once per call, on the calling task: be quick.
pub trait CallSink: Send + Sync {
    /// A call ended.
    fn on_call(&self, call: &CallRecord);
}

/// Counts nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSink;

impl CallSink for NoSink {
    fn on_call(&self, _call: &CallRecord) {}
}

/// What is known about a budget now.
#[derive(Clone, Debug, Default, Serialize)]
pub struct BudgetView {
    /// Calls made since the start of the day (UTC) by this process.
    pub calls_today: u64,
    /// Calls a day; `None`: unknown.
    pub daily_limit: Option<u64>,
    /// Calls left today as the provider last said.
    pub daily_remaining: Option<u64>,
    /// Closed until then.
    pub paused_until: Option<Timestamp>,
}
