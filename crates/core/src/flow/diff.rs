//! What changed in a row.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::canonical::{self, Digest};

/// The digest of a mapped row: equal for equal content, whatever the order of its fields.
pub fn row_hash(row: &Map<String, Value>) -> Digest {
    let mut bytes = Vec::with_capacity(256);
    canonical::write_object(row, &mut bytes);
    Digest::of(&bytes)
}

/// One field that changes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldChange {
    /// The field.
    pub field: String,
    /// What is there now; null where nothing is.
    pub before: Value,
    /// What will be there.
    pub after: Value,
}

/// What writing a row would do.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum RowDiff {
    /// The record does not exist yet.
    Create,
    /// Some fields change.
    Update {
        /// Which, in the order of the new row.
        fields: Vec<FieldChange>,
    },
    /// Nothing changes.
    Unchanged,
}

/// Compares a record with a mapped row.
///
/// Only fields of the new row count: a flow does not touch what it does not map, so other fields of
/// the record are neither changes nor removals. A missing field and null are the same, and so are
/// numbers equal in value.
pub fn diff(old: Option<&Map<String, Value>>, new: &Map<String, Value>) -> RowDiff {
    let Some(old) = old else { return RowDiff::Create };
    let fields: Vec<FieldChange> = new
        .iter()
        .filter_map(|(field, after)| {
            let before = old.get(field).unwrap_or(&Value::Null);
            (!same(before, after)).then(|| FieldChange {
                field: field.clone(),
                before: before.clone(),
                after: after.clone(),
            })
        })
        .collect();
    if fields.is_empty() { RowDiff::Unchanged } else { RowDiff::Update { fields } }
}

fn same(a: &Value, b: &Value) -> bool {
    // Equal trees are the common case and cost nothing more; else `1` and `1.0` still count as
    // equal.
    a == b || {
        let numeric = |value: &Value| !matches!(value, Value::String(_) | Value::Bool(_));
        numeric(a) && numeric(b) && canonical::text(a) == canonical::text(b)
    }
}
