//! Counts calls in memory and writes them in batches: one transaction a second, not one a call.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use connectus_connect::{CallRecord, CallSink};
use connectus_core::{IntegrationId, Result, TenantId};
use connectus_store::{Store, usage::CallCounts};
use futures::FutureExt;

/// Integrations and days counted between two writes; further ones are dropped with a warning.
const MAX_COUNTED: usize = 10_000;

/// What everything that uses one external credential calls its budget.
pub(super) fn budget_name(tenant: &TenantId, integration: &IntegrationId) -> String {
    format!("{tenant}/{integration}")
}

/// Calls counted since the last write, by budget and day.
#[derive(Default)]
pub(super) struct UsageBuffer(Mutex<HashMap<(String, String), CallCounts>>);

impl UsageBuffer {
    /// Writes what was counted. On failure the counts stay for the next time.
    pub async fn flush(&self, store: &Store) -> Result<()> {
        let counted = std::mem::take(&mut *self.lock());
        if counted.is_empty() {
            return Ok(());
        }
        let rows: Vec<_> = counted
            .iter()
            .filter_map(|((budget, day), counts)| {
                let (tenant, integration) = budget.split_once('/')?;
                let ids = (TenantId::trusted(tenant), IntegrationId::trusted(integration));
                Some((ids, day.clone(), *counts))
            })
            .collect();
        let written = store
            .write(move |tx| {
                async move {
                    for ((tenant, integration), day, counts) in rows {
                        tx.add_usage(&tenant, &integration, &day, counts).await?;
                    }
                    Ok(())
                }
                .boxed()
            })
            .await;
        if written.is_err() {
            for (key, counts) in counted {
                self.add(key, counts);
            }
        }
        written
    }

    fn add(&self, key: (String, String), counts: CallCounts) {
        let mut counted = self.lock();
        if counted.len() >= MAX_COUNTED && !counted.contains_key(&key) {
            tracing::warn!(action = "count_calls", status = "dropped", "too many to count");
            return;
        }
        counted.entry(key).or_default().add(counts);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(String, String), CallCounts>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CallSink for UsageBuffer {
    fn on_call(&self, call: &CallRecord) {
        let counts = CallCounts {
            calls: 1,
            failures: u64::from(call.error.is_some()),
            throttled: u64::from(call.status == Some(429)),
            saved_calls: 0,
            millis: call.latency_ms,
        };
        self.add((call.credential.as_ref().to_owned(), call.at.day()), counts);
    }
}
