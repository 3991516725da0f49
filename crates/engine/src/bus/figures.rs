//! Events as figures for Prometheus, which begin at zero with each process.

use async_trait::async_trait;
use connectus_core::{
    Result,
    analytics::RECORD_OUTCOMES,
    event::{Event, EventType},
};
use connectus_store::Tx;
use serde_json::Value;

use super::{BusCx, Takes};

/// Counts events, and the records that syncs went through.
pub(super) struct Figures;

#[async_trait]
impl Takes for Figures {
    async fn take(&self, _tx: &mut Tx, _cx: &BusCx<'_>, events: &[&Event]) -> Result<()> {
        for event in events {
            metrics::counter!("connectus_events_total", "type" => event.kind.name()).increment(1);
            if event.kind == EventType::SyncProgressed {
                synced(event);
            }
        }
        Ok(())
    }
}

fn synced(event: &Event) {
    let Some(added) = event.data.get("added") else { return };
    for outcome in RECORD_OUTCOMES {
        let records = added.get(outcome).and_then(Value::as_u64).unwrap_or(0);
        metrics::counter!("connectus_sync_records_total", "outcome" => outcome).increment(records);
    }
}
