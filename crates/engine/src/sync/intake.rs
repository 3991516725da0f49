//! Turns pages into batches of rows that are ready to be compared and written.

use std::collections::{HashMap, HashSet};

use connectus_core::{
    Code, Env, Error, Result, Timestamp,
    canonical::{self, Digest},
    error::FieldError,
    flow::{
        DELETED_FIELD, Deletes,
        shape::{Drift, Noticed, Shape},
    },
};
use connectus_store::rejected::NewRejectedRow;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::{
    pages::{MappedPage, Pages},
    plan::Plan,
};

/// Records after which a checkpoint is made.
const CHECKPOINT_RECORDS: usize = 1_000;
/// Pages after which a checkpoint is made, however few records they held.
const CHECKPOINT_PAGES: u64 = 10;
/// Largest row kept when it is refused, in bytes of JSON. Larger ones are kept without content.
const MAX_KEPT_BYTES: usize = 64 * 1024;
/// Largest mapped row, in bytes of JSON.
const MAX_ROW_BYTES: usize = 1024 * 1024;

type Fields = Map<String, Value>;

/// A mapped row.
#[derive(Debug)]
pub(crate) struct Taken {
    /// Its key in the collection.
    pub key: String,
    /// The part of the key that is the source's own; it starts at this byte.
    pub source_at: usize,
    /// The fields the flow answers for.
    pub fields: Fields,
    /// The same in their one canonical JSON form: hashed, and written as it is when the row is new.
    pub json: String,
    /// The hash of that form.
    pub hash: Digest,
    /// When the record changed at its source, where that can decide a conflict.
    pub changed_at: Option<Timestamp>,
    /// The record as it was read, where the row can still be refused when it is compared; else
    /// null.
    pub source: Value,
}

impl Taken {
    /// What identifies the row in its source.
    pub fn source_key(&self) -> &str {
        self.key.get(self.source_at..).unwrap_or_default()
    }
}

/// What became of one record on its way in.
#[derive(Debug)]
pub(crate) enum Item {
    /// It maps to a row.
    Row(Box<Taken>),
    /// The mapping refused it.
    Refused(NewRejectedRow),
}

impl Item {
    fn source_key(&self) -> &str {
        match self {
            Self::Row(row) => row.source_key(),
            Self::Refused(row) => &row.source_key,
        }
    }
}

/// What is written by one checkpoint.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Records in the order in which they came.
    pub items: Vec<Item>,
    /// Where to go on after them.
    pub cursor: Option<Value>,
    /// Records read.
    pub read: u64,
    /// Pages read.
    pub pages: u64,
    /// Calls made.
    pub calls: u64,
    /// What the source is known to look like after it, where that changed.
    pub shape: Option<Shape>,
    /// How the source was seen to have changed in it.
    pub drift: Drift,
    /// How the source was seen to have changed before anything was made of it: the batch ends
    /// before that.
    pub halted: Option<Noticed>,
    /// How the stream ended after this batch; `None` when there is more.
    pub end: Option<Result<()>>,
}

impl Batch {
    /// Whether nothing at all was read.
    pub fn is_empty(&self) -> bool {
        self.pages == 0
    }

    fn is_full(&self) -> bool {
        self.items.len() >= CHECKPOINT_RECORDS || self.pages >= CHECKPOINT_PAGES
    }

    fn add(&mut self, page: MappedPage) {
        self.calls += u64::from(page.calls);
        if page.halt {
            self.halted = page.noticed;
            self.end = Some(Ok(()));
            return;
        }
        if let Some(noticed) = page.noticed {
            self.shape = Some(noticed.shape);
            self.drift.merge(noticed.drift);
        }
        self.pages += 1;
        self.read += page.items.len() as u64;
        self.cursor = page.cursor.or(self.cursor.take());
        self.items.extend(page.items);
    }
}

/// Leaves the newest version of each record: pages that overlap would otherwise write it twice.
pub(crate) fn newest(mut items: Vec<Item>) -> Vec<Item> {
    let mut newest = HashMap::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        newest.insert(item.source_key(), index);
    }
    if newest.len() < items.len() {
        let kept: HashSet<usize> = newest.into_values().collect();
        let mut index = 0..items.len();
        items.retain(|_| index.next().is_some_and(|index| kept.contains(&index)));
    }
    items
}

/// Maps one record as it comes from its source.
pub(crate) fn read(plan: &Plan, env: &Env, mut record: Value) -> Item {
    if let Some(selection) = &plan.selection {
        selection.prune(&mut record);
    }
    read_pruned(plan, env, record)
}

/// Maps one record from which what is not read is gone.
pub(crate) fn read_pruned(plan: &Plan, env: &Env, mut record: Value) -> Item {
    if plan.mapping.redacts()
        && let Err(errors) = plan.mapping.redact(&mut record)
    {
        // What is left of it cannot be tried again: it has to be read again.
        let key = plan.record_key(&record);
        let key = key.map_or_else(
            |_| canonical::digest(&record).to_string(),
            |key| key.get(plan.provider.len() + 1..).unwrap_or_default().to_owned(),
        );
        return Item::Refused(refusal(env, key, Value::Null, errors));
    }
    read_redacted(plan, env, record)
}

/// Maps one record from which redacted values are gone.
pub(crate) fn read_redacted(plan: &Plan, env: &Env, record: Value) -> Item {
    match plan.record_key(&record) {
        // Told apart by content, there being no identifier.
        Err(reason) => {
            let key = canonical::digest(&record).to_string();
            let errors = vec![FieldError { field: "id".into(), message: reason }];
            Item::Refused(refusal(env, key, record, errors))
        }
        Ok(key) => match map(plan, &record) {
            Ok((fields, json, hash)) => {
                let source_at = plan.provider.len() + 1;
                let changed_at = plan.changed_at(&record);
                let source = if plan.may_refuse() { record } else { Value::Null };
                let row = Taken { key, source_at, fields, json, hash, changed_at, source };
                Item::Row(Box::new(row))
            }
            Err(errors) => {
                let source_key = key.get(plan.provider.len() + 1..).unwrap_or_default();
                Item::Refused(refusal(env, source_key.to_owned(), record, errors))
            }
        },
    }
}

/// A refused row as it is kept.
pub(crate) fn refusal(
    env: &Env,
    source_key: String,
    record: Value,
    errors: Vec<FieldError>,
) -> NewRejectedRow {
    let source = if fits(&record, MAX_KEPT_BYTES) { record } else { Value::Null };
    NewRejectedRow { id: env.id(), source_key, source, errors }
}

/// Reads pages until a batch is full, the stream ends, something fails or someone cancels.
pub(super) async fn gather(pages: &mut Pages, cancel: &CancellationToken) -> Batch {
    let mut batch = Batch::default();
    while !batch.is_full() && batch.end.is_none() {
        let page = match cancel.run_until_cancelled(pages.next()).await {
            None => {
                batch.end = Some(Err(Error::new(Code::Conflict, "The sync was stopped.")));
                break;
            }
            Some(Err(error)) => {
                batch.end = Some(Err(error));
                break;
            }
            Some(Ok(None)) => {
                batch.end = Some(Ok(()));
                break;
            }
            Some(Ok(Some(page))) => page,
        };
        batch.add(page);
    }
    batch
}

/// The fields of the row that would be written, their canonical form and its hash.
fn map(plan: &Plan, record: &Value) -> Result<(Fields, String, Digest), Vec<FieldError>> {
    let mut fields = plan.mapping.apply_redacted(record)?;
    if plan.flow.options.deletes == Deletes::Mark {
        fields.insert(DELETED_FIELD.to_owned(), Value::Bool(false));
    }
    let refused = |message: String| vec![FieldError { field: String::new(), message }];
    let mut bytes = Vec::with_capacity(256);
    canonical::write_object(&fields, &mut bytes);
    if bytes.len() > MAX_ROW_BYTES {
        return Err(refused(format!("the mapped row is larger than {MAX_ROW_BYTES} bytes")));
    }
    let hash = Digest::of(&bytes);
    let json = String::from_utf8(bytes).map_err(|error| refused(error.to_string()))?;
    if json.contains("\\u0000") && fields.values().any(holds_nul) {
        // PostgreSQL cannot look inside a JSON text with one.
        return Err(refused("a text holds the character U+0000".into()));
    }
    Ok((fields, json, hash))
}

fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(fields) => {
            fields.iter().any(|(name, value)| name.contains('\0') || holds_nul(value))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Whether a value's JSON stays within a size.
fn fits(value: &Value, most: usize) -> bool {
    serde_json::to_string(value).is_ok_and(|text| text.len() <= most)
}
