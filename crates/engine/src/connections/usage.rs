//! Counts calls in memory and writes them in batches: one transaction a second, not one a call.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use connectus_connect::{CallRecord, CallSink};
use connectus_core::{IntegrationId, Result, TenantId};
use connectus_store::{
    Store,
    usage::{CallCounts, DayBudget},
};
use futures::FutureExt;

/// Integrations and days counted between two writes; further ones are dropped with a warning.
const MAX_COUNTED: usize = 10_000;

/// What everything that uses one external credential calls its budget.
pub(super) fn budget_name(tenant: &TenantId, integration: &IntegrationId) -> String {
    format!("{tenant}/{integration}")
}

/// Calls counted since the last write, by budget and day.
#[derive(Default)]
pub(super) struct UsageBuffer(Mutex<Counted>);

type Counted = HashMap<(String, String), Usage>;

/// The calls of one budget, and what the newest answer said about it.
#[derive(Clone, Copy, Default)]
struct Usage {
    counts: CallCounts,
    told: Option<DayBudget>,
}

impl UsageBuffer {
    /// Writes what was counted. On failure the counts stay for the next time.
    pub async fn flush(&self, store: &Store) -> Result<()> {
        let counted = std::mem::take(&mut *self.lock());
        if counted.is_empty() {
            return Ok(());
        }
        let rows: Vec<_> = counted
            .iter()
            .filter_map(|((budget, day), usage)| {
                let (tenant, integration) = budget.split_once('/')?;
                let ids = (TenantId::trusted(tenant), IntegrationId::trusted(integration));
                Some((ids, day.clone(), *usage))
            })
            .collect();
        let written = store
            .write(move |tx| {
                async move {
                    for ((tenant, id), day, Usage { counts, told }) in rows {
                        tx.add_usage(&tenant, &id, &day, counts).await?;
                        if let Some(told) = told {
                            tx.keep_budget(&tenant, &id, &day, told).await?;
                        }
                    }
                    Ok(())
                }
                .boxed()
            })
            .await;
        if written.is_err() {
            let since = std::mem::replace(&mut *self.lock(), counted);
            for (key, usage) in since {
                self.add(key, usage);
            }
        }
        written
    }

    fn add(&self, key: (String, String), usage: Usage) {
        let mut counted = self.lock();
        if counted.len() >= MAX_COUNTED && !counted.contains_key(&key) {
            tracing::warn!(action = "count_calls", status = "dropped", "too many to count");
            return;
        }
        let known = counted.entry(key).or_default();
        known.counts.add(usage.counts);
        known.told = usage.told.or(known.told);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counted> {
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
        let told = call.daily.map(|daily| DayBudget {
            allowed: daily.max,
            used: daily.max.saturating_sub(daily.remaining),
        });
        self.add((call.credential.as_ref().to_owned(), call.at.day()), Usage { counts, told });
    }
}
