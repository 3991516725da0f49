//! What was asked of the fakes and what it did: calls, and effects per idempotency key.

use std::collections::{BTreeMap, HashMap, VecDeque};

use axum::{body::Bytes, http::StatusCode};
use connectus_core::Timestamp;
use serde::Serialize;

/// Calls kept for inspection; older ones are dropped, their counts stay.
pub(crate) const MAX_CALLS: usize = 20_000;
/// Idempotency keys remembered.
pub(crate) const MAX_KEYS: usize = 200_000;
/// Distinct `METHOD path` pairs counted.
const MAX_COUNTED_PATHS: usize = 10_000;

/// Which fake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// The HubSpot fake.
    Hubspot,
    /// The Slack fake.
    Slack,
    /// The Mailchimp fake.
    Mailchimp,
    /// The Salesforce fake.
    Salesforce,
    /// The Facebook fake.
    Facebook,
    /// The Google Ads fake.
    Google,
    /// The Zapier fake.
    Zapier,
}

/// One received call.
#[derive(Clone, Debug, Serialize)]
pub struct Call {
    /// Which fake received it.
    pub provider: Provider,
    /// HTTP method.
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// Raw query, empty when none.
    pub query: String,
    /// Body as text, cut at 4,096 bytes; empty for calls that carried none.
    pub body: String,
    /// Idempotency key, from the header or Slack's `client_msg_id`.
    pub key: Option<String>,
    /// Answered status; 0 when the connection was dropped instead.
    pub status: u16,
    /// Whether it changed something.
    pub effect: bool,
    /// When it came.
    pub at: Timestamp,
}

/// What happened under one idempotency key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EffectCount {
    /// Calls that carried the key, whatever the answer.
    pub calls: u64,
    /// Times something changed. Above 1 is a duplicate.
    pub effects: u64,
}

/// Effects of all keys together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EffectSummary {
    /// Keys under which something changed.
    pub distinct: u64,
    /// Changes beyond the first under the same key.
    pub duplicates: u64,
    /// Calls that carried a key.
    pub keyed_calls: u64,
    /// Changes made without a key.
    pub unkeyed: u64,
}

/// An answer kept to be given again.
#[derive(Clone, Debug)]
pub(crate) struct KeptAnswer {
    pub status: StatusCode,
    pub content_type: String,
    pub body: Bytes,
}

type Key = (Provider, String);

/// Everything received.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    calls: VecDeque<Call>,
    counts: BTreeMap<String, u64>,
    statuses: BTreeMap<u16, u64>,
    total: u64,
    effects: HashMap<Key, EffectCount>,
    unkeyed: u64,
    answers: HashMap<Key, KeptAnswer>,
    order: VecDeque<Key>,
}

impl Ledger {
    /// Writes down a call that was answered.
    pub(crate) fn record(&mut self, call: Call) {
        self.total += 1;
        *self.statuses.entry(call.status).or_default() += 1;
        let route = format!("{} {}", call.method, call.path);
        if self.counts.len() < MAX_COUNTED_PATHS || self.counts.contains_key(&route) {
            *self.counts.entry(route).or_default() += 1;
        }
        match &call.key {
            Some(key) => {
                let key = (call.provider, key.clone());
                self.remember(&key);
                let count = self.effects.entry(key).or_default();
                count.calls += 1;
                count.effects += u64::from(call.effect);
            }
            None => self.unkeyed += u64::from(call.effect),
        }
        if self.calls.len() >= MAX_CALLS {
            self.calls.pop_front();
        }
        self.calls.push_back(call);
    }

    /// Counts a call of the bulk mode, which keeps no details.
    pub(crate) fn count_only(&mut self) {
        self.total += 1;
    }

    fn remember(&mut self, key: &Key) {
        if self.effects.contains_key(key) {
            return;
        }
        if self.order.len() >= MAX_KEYS
            && let Some(oldest) = self.order.pop_front()
        {
            self.effects.remove(&oldest);
            self.answers.remove(&oldest);
        }
        self.order.push_back(key.clone());
    }

    /// The answer given earlier under this key.
    pub(crate) fn answer(&self, provider: Provider, key: &str) -> Option<&KeptAnswer> {
        self.answers.get(&(provider, key.to_owned()))
    }

    /// Keeps the answer of an effect.
    pub(crate) fn keep(&mut self, provider: Provider, key: &str, answer: KeptAnswer) {
        self.answers.insert((provider, key.to_owned()), answer);
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.iter().cloned().collect()
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    pub(crate) fn count(&self, method: &str, path: &str) -> u64 {
        self.counts.get(&format!("{method} {path}")).copied().unwrap_or(0)
    }

    pub(crate) fn counts(&self) -> &BTreeMap<String, u64> {
        &self.counts
    }

    pub(crate) fn statuses(&self) -> &BTreeMap<u16, u64> {
        &self.statuses
    }

    pub(crate) fn effect(&self, provider: Provider, key: &str) -> EffectCount {
        self.effects.get(&(provider, key.to_owned())).copied().unwrap_or_default()
    }

    pub(crate) fn summary(&self) -> EffectSummary {
        let mut summary = EffectSummary { unkeyed: self.unkeyed, ..EffectSummary::default() };
        for count in self.effects.values() {
            summary.keyed_calls += count.calls;
            summary.distinct += u64::from(count.effects > 0);
            summary.duplicates += count.effects.saturating_sub(1);
        }
        summary
    }

    /// Keys with the number of calls and effects, for the drills that account for each one.
    pub(crate) fn effects(&self) -> Vec<(Provider, String, EffectCount)> {
        let mut all: Vec<_> =
            self.effects.iter().map(|((provider, key), n)| (*provider, key.clone(), *n)).collect();
        all.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        all
    }

    /// Forgets the calls, not the effects.
    pub(crate) fn clear_calls(&mut self) {
        self.calls.clear();
        self.counts.clear();
        self.statuses.clear();
        self.total = 0;
    }
}
