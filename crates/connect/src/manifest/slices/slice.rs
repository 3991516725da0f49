//! A part of a stream that is read at once: a partition, and a range of the cursor within it.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::manifest::interpolation::SliceView;

/// A part of a stream. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Slice(Arc<Parts>);

#[derive(Debug, Default)]
struct Parts {
    partition: Map<String, Value>,
    cursor: Map<String, Value>,
    extra: Map<String, Value>,
}

impl Slice {
    /// A partition, with fields that are passed along but are no part of it.
    pub fn of_partition(partition: Map<String, Value>, extra: Map<String, Value>) -> Self {
        Self(Arc::new(Parts { partition, extra, cursor: Map::new() }))
    }

    /// A range within this partition.
    #[must_use]
    pub fn with_cursor(&self, cursor: Map<String, Value>) -> Self {
        let (partition, extra) = (self.0.partition.clone(), self.0.extra.clone());
        Self(Arc::new(Parts { partition, cursor, extra }))
    }

    /// The same part, with more that is passed along.
    #[must_use]
    pub fn with_extra<const N: usize>(&self, more: [(&str, Value); N]) -> Self {
        let Parts { partition, cursor, extra } = &*self.0;
        let (partition, cursor, mut extra) = (partition.clone(), cursor.clone(), extra.clone());
        extra.extend(more.map(|(name, value)| (name.to_owned(), value)));
        Self(Arc::new(Parts { partition, cursor, extra }))
    }

    /// The keys of the partition.
    pub fn partition(&self) -> &Map<String, Value> {
        &self.0.partition
    }

    /// The keys of the range.
    pub fn cursor(&self) -> &Map<String, Value> {
        &self.0.cursor
    }

    /// What its parents passed along.
    pub fn extra(&self) -> &Map<String, Value> {
        &self.0.extra
    }

    /// A key of the slice.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.cursor.get(key).or_else(|| self.0.partition.get(key))
    }

    /// As templates see it.
    pub fn view(&self) -> SliceView<'_> {
        let Parts { partition, cursor, extra } = &*self.0;
        SliceView { partition, cursor, extra }
    }

    /// The same for the same partition, whatever the order of its keys.
    pub fn partition_key(&self) -> String {
        key_of(&self.0.partition)
    }
}

/// The text that stands for a partition.
pub fn key_of(partition: &Map<String, Value>) -> String {
    // A map of JSON values always has a JSON form; its keys are sorted.
    serde_json::to_string(partition).unwrap_or_default()
}
