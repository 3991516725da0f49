//! Events as figures for Prometheus, which begin at zero with each process.

use std::collections::BTreeMap;

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
        // A counter is looked up once for all of its kind: they come in floods.
        let mut kinds: BTreeMap<&'static str, u64> = BTreeMap::new();
        for event in events {
            *kinds.entry(event.kind.name()).or_default() += 1;
            if event.kind == EventType::SyncProgressed {
                synced(event);
            }
        }
        for (kind, count) in kinds {
            metrics::counter!("connectus_events_total", "type" => kind).increment(count);
        }
        Ok(())
    }
}

fn synced(event: &Event) {
    let told = event.data.value();
    let Some(added) = told.get("added") else { return };
    for outcome in RECORD_OUTCOMES {
        let records = added.get(outcome).and_then(Value::as_u64).unwrap_or(0);
        metrics::counter!("connectus_sync_records_total", "outcome" => outcome).increment(records);
    }
}
