//! What a sync has done so far. The counts move with the rows they count, so that an attempt that
//! is made again goes on counting where the last checkpoint stood.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::intake::Batch;

/// The counters of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Pages read.
    pub pages: u64,
    /// Calls made to the provider for them.
    pub calls: u64,
    /// Records read, each time it was read.
    pub read: u64,
    /// Records that were new.
    pub created: u64,
    /// Records that changed.
    pub updated: u64,
    /// Records that were there as they are.
    pub unchanged: u64,
    /// Records left as they are because the other side's change wins.
    pub kept: u64,
    /// Records refused, with a reason.
    pub rejected: u64,
    /// Records sent to the provider for the first time.
    pub sent_created: u64,
    /// Records sent to the provider because they changed.
    pub sent_updated: u64,
    /// Records deleted or marked because they are gone at the provider.
    pub deleted: u64,
    /// Things deleted at the provider because their records are gone.
    pub sent_deleted: u64,
    /// Checkpoints made.
    pub checkpoints: u64,
}

impl Counts {
    /// The counts that are a run's progress.
    pub(super) fn stored(progress: Option<&Value>) -> Self {
        // Progress of an unknown shape is not worth failing a sync for.
        progress.and_then(|value| Self::deserialize(value).ok()).unwrap_or_default()
    }

    /// What was read for a batch.
    pub(super) fn read_for(batch: &Batch) -> Self {
        let Batch { pages, calls, read, .. } = *batch;
        Self { pages, calls, read, ..Self::default() }
    }

    /// These counts with what was read since.
    pub(super) fn plus_read(mut self, more: &Self) -> Self {
        self.pages += more.pages;
        self.calls += more.calls;
        self.read += more.read;
        self
    }

    /// These counts with others.
    pub(super) fn plus(mut self, more: &Self) -> Self {
        self = self.plus_read(more);
        self.created += more.created;
        self.updated += more.updated;
        self.unchanged += more.unchanged;
        self.kept += more.kept;
        self.rejected += more.rejected;
        self.sent_created += more.sent_created;
        self.sent_updated += more.sent_updated;
        self.deleted += more.deleted;
        self.sent_deleted += more.sent_deleted;
        self.checkpoints += more.checkpoints;
        self
    }

    /// Records sent to the provider.
    pub const fn sent(&self) -> u64 {
        self.sent_created + self.sent_updated
    }

    /// As the run's progress and output.
    pub(super) fn output(&self) -> Value {
        serde_json::to_value(self).unwrap_or(Value::Null)
    }

    /// Records written.
    pub const fn written(&self) -> u64 {
        self.created + self.updated
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn counting_goes_on_where_it_stood() {
        let counts = Counts { read: 7, created: 5, updated: 2, ..Counts::default() };
        assert_eq!(Counts::stored(Some(&counts.output())), counts);
        assert_eq!(counts.written(), 7);
        for other in [json!(null), json!("x"), json!({"read": "many"}), json!({"later": 1})] {
            assert_eq!(Counts::stored(Some(&other)), Counts::default(), "{other}");
        }
    }
}
