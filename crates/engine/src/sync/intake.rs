//! Turns pages into batches of rows that are ready to be compared and written.

use std::collections::HashMap;

use connectus_core::{
    Code, Env, Error, Result, Timestamp,
    canonical::{self, Digest},
    error::FieldError,
};
use connectus_store::rejected::NewRejectedRow;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::{pages::Pages, plan::Plan};

/// Records after which a checkpoint is made.
const CHECKPOINT_RECORDS: usize = 1_000;
/// Pages after which a checkpoint is made, however few records they held.
const CHECKPOINT_PAGES: u64 = 10;
/// Largest row kept when it is refused, in bytes of JSON. Larger ones are kept without content.
const MAX_KEPT_BYTES: usize = 64 * 1024;
/// Largest mapped row, in bytes of JSON.
const MAX_ROW_BYTES: usize = 1024 * 1024;

/// A mapped row.
#[derive(Debug)]
pub(crate) struct Taken {
    /// Its key in the collection.
    pub key: String,
    /// The part of the key that is the source's own; it starts at this byte.
    pub source_at: usize,
    /// The fields the flow answers for.
    pub fields: Map<String, Value>,
    /// The same in their one canonical JSON form: hashed, and written as it is when the row is new.
    pub json: String,
    /// The hash of that form.
    pub hash: Digest,
    /// When the record changed at its source.
    pub changed_at: Option<Timestamp>,
    /// The record as it was read, in case the row is refused later.
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

/// What is written by one checkpoint.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// The newest version of each record, by the order in which records first came.
    pub items: Vec<Item>,
    /// Where to go on after them.
    pub cursor: Option<Value>,
    /// Records read.
    pub read: u64,
    /// Pages read.
    pub pages: u64,
    /// Calls made.
    pub calls: u64,
    /// How the stream ended after this batch; `None` when there is more.
    pub end: Option<Result<()>>,
    places: HashMap<String, usize>,
}

impl Batch {
    /// Whether nothing at all was read.
    pub fn is_empty(&self) -> bool {
        self.pages == 0
    }

    fn is_full(&self) -> bool {
        self.items.len() >= CHECKPOINT_RECORDS || self.pages >= CHECKPOINT_PAGES
    }

    /// Maps one record. A record that came before in the same batch is replaced: pages that
    /// overlap would otherwise write it twice.
    pub fn take(&mut self, plan: &Plan, env: &Env, record: Value) {
        self.read += 1;
        let (key, item) = read(plan, env, record);
        if let Some(place) = self.places.get(&key).and_then(|index| self.items.get_mut(*index)) {
            *place = item;
            return;
        }
        self.places.insert(key, self.items.len());
        self.items.push(item);
    }
}

/// Maps one record, found under its source key.
pub(crate) fn read(plan: &Plan, env: &Env, record: Value) -> (String, Item) {
    match plan.source_key(&record) {
        // Told apart by content, there being no identifier.
        Err(reason) => {
            let key = canonical::digest(&record).to_string();
            let errors = vec![FieldError { field: "id".into(), message: reason }];
            (key.clone(), Item::Refused(refusal(env, key, record, errors)))
        }
        Ok(key) => {
            let item = match map(plan, &key, &record) {
                Ok(mapped) => Item::Row(Box::new(Taken { source: record, ..mapped })),
                Err(errors) => Item::Refused(refusal(env, key.clone(), record, errors)),
            };
            (key, item)
        }
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
pub(super) async fn gather(
    plan: &Plan,
    env: &Env,
    pages: &mut Pages,
    cancel: &CancellationToken,
) -> Batch {
    let mut batch = Batch::default();
    while !batch.is_full() {
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
        batch.pages += 1;
        batch.calls += u64::from(page.calls);
        if let Some(cursor) = page.cursor {
            batch.cursor = Some(cursor.0);
        }
        for record in page.records {
            batch.take(plan, env, record);
        }
    }
    batch
}

/// Maps one record to the row that would be written; its `source` is left empty.
fn map(plan: &Plan, source_key: &str, record: &Value) -> Result<Taken, Vec<FieldError>> {
    let fields = plan.mapping.apply(record)?;
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
    let key = plan.record_key(source_key);
    let source_at = key.len() - source_key.len();
    let changed_at = plan.changed_at(record);
    Ok(Taken { key, source_at, fields, json, hash, changed_at, source: Value::Null })
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
