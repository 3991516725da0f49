//! Events as log lines and figures: two of their readers.

use std::collections::HashMap;

use connectus_core::event::{Event, EventType};
use connectus_store::Store;
use serde_json::Value;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use tracing::Level;

use super::metrics;

/// Outcomes of records, as a sync's counts name them.
const OUTCOMES: [&str; 4] = ["created", "updated", "unchanged", "rejected"];
/// Syncs whose counts are remembered; far more than run at once.
const REMEMBERED: usize = 1000;

/// Logs and counts events as they are committed by this process, until told to stop.
pub async fn follow(store: Store, log_level: Option<Level>, stop: CancellationToken) {
    let mut events = store.subscribe();
    let mut progress = Progress::default();
    while let Some(received) = stop.run_until_cancelled(events.recv()).await {
        match received {
            Ok(event) => {
                log(&event, log_level);
                metrics::happened(event.kind);
                progress.count(&event);
            }
            // Figures and lines of a burst are lost, the events themselves are not.
            Err(RecvError::Lagged(missed)) => {
                let count = missed;
                tracing::warn!(action = "events.follow", status = "lagged", count, "not logged");
            }
            Err(RecvError::Closed) => return,
        }
    }
}

fn log(event: &Event, level: Option<Level>) {
    // The level of a line is fixed when it is compiled, so there is one for each.
    macro_rules! line {
        ($macro:ident) => {
            tracing::$macro!(
                action = event.kind.name(), service = "events", status = "success",
                tenant = %event.tenant, subject = event.subject, seq = event.seq, "event"
            )
        };
    }
    match level {
        None => {}
        Some(Level::ERROR) => line!(error),
        Some(Level::WARN) => line!(warn),
        Some(Level::INFO) => line!(info),
        Some(Level::DEBUG) => line!(debug),
        Some(Level::TRACE) => line!(trace),
    }
}

/// Turns the running totals that syncs tell into what was added since.
#[derive(Default)]
struct Progress(HashMap<String, [u64; OUTCOMES.len()]>);

impl Progress {
    fn count(&mut self, event: &Event) {
        match event.kind {
            EventType::SyncProgressed => self.add(event),
            EventType::SyncCompleted | EventType::SyncFailed | EventType::SyncCancelled => {
                self.0.remove(&event.subject);
            }
            _ => {}
        }
    }

    fn add(&mut self, event: &Event) {
        let counts = event.data.get("counts").unwrap_or(&Value::Null);
        let totals = OUTCOMES.map(|name| counts.get(name).and_then(Value::as_u64).unwrap_or(0));
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        let before = self.0.insert(event.subject.clone(), totals).unwrap_or_default();
        for ((outcome, total), before) in OUTCOMES.into_iter().zip(totals).zip(before) {
            metrics::synced(outcome, total.saturating_sub(before));
        }
    }
}
