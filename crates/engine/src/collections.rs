//! Records changed by hand. Syncs write batches of their own, workflow actions their own records.

use connectus_core::{
    Code, Error, Result, TenantCtx,
    collection::{CollectionName, MAX_KEY_BYTES, Record},
    event::EventType,
    flow::{RowDiff, diff},
};
use connectus_store::{Tx, records::NewRecord};
use serde_json::{Map, Value, json};

use crate::parts::Parts;

/// Largest record written by hand, in bytes of JSON.
pub const MAX_RECORD_BYTES: usize = 256 * 1024;
/// Collections of one tenant at most.
pub const MAX_COLLECTIONS: u64 = 200;

/// What writing a record did.
#[derive(Clone, Debug)]
pub struct Put {
    /// The record as it is now.
    pub record: Record,
    /// Whether it is new.
    pub created: bool,
}

/// Writes all fields of one record. The collection comes to be with its first record. `guard` sees
/// the record that is there and may refuse.
///
/// # Errors
/// `invalid` for a key or record that is too large, `quota_exceeded` beyond [`MAX_COLLECTIONS`],
/// what `guard` says.
pub async fn put(
    parts: &Parts,
    ctx: &TenantCtx,
    collection: &CollectionName,
    key: &str,
    fields: Map<String, Value>,
    guard: impl FnOnce(Option<&Record>) -> Result<()> + Send + 'static,
) -> Result<Put> {
    let row = prepared(key, &fields)?;
    let (ctx, collection) = (ctx.clone(), collection.clone());
    parts
        .store
        .write(move |tx| {
            Box::pin(async move {
                ensure(tx, &ctx, &collection).await?;
                let before = tx.record(&ctx, &collection, &row.key).await?;
                guard(before.as_ref())?;
                write(tx, &ctx, &collection, row, fields, before).await
            })
        })
        .await
}

/// A record as it is stored, if it can be.
///
/// # Errors
/// `invalid` for a key or record that is too large or holds what the databases do not take.
pub(crate) fn prepared(key: &str, fields: &Map<String, Value>) -> Result<NewRecord> {
    if !(1..=MAX_KEY_BYTES).contains(&key.len()) || key.contains(char::is_control) {
        let message = format!("must be 1 to {MAX_KEY_BYTES} bytes without control characters.");
        return Err(Error::invalid("key", message));
    }
    let row = NewRecord::of(key, fields)?;
    if row.data.len() > MAX_RECORD_BYTES {
        let message = format!("must not be larger than {MAX_RECORD_BYTES} bytes.");
        return Err(Error::invalid("record", message));
    }
    if row.data.contains("\\u0000") {
        return Err(Error::invalid("record", "must not hold the character U+0000."));
    }
    Ok(row)
}

/// Locks a collection for writing. It comes to be if there is room for it.
///
/// # Errors
/// `quota_exceeded` beyond [`MAX_COLLECTIONS`].
pub(crate) async fn ensure(
    tx: &mut Tx,
    ctx: &TenantCtx,
    collection: &CollectionName,
) -> Result<()> {
    if tx.lock_collection(ctx, collection).await? {
        return Ok(());
    }
    let page = connectus_core::Page { limit: 1, offset: 0 };
    if tx.collections(ctx, page).await?.total_count >= MAX_COLLECTIONS {
        let detail = format!("A tenant has at most {MAX_COLLECTIONS} collections.");
        return Err(Error::new(Code::QuotaExceeded, detail).with("limit", MAX_COLLECTIONS));
    }
    tx.ensure_collection(ctx, collection).await?;
    Ok(())
}

async fn write(
    tx: &mut Tx,
    ctx: &TenantCtx,
    collection: &CollectionName,
    row: NewRecord,
    fields: Map<String, Value>,
    before: Option<Record>,
) -> Result<Put> {
    if let Some(record) = before.clone().filter(|before| before.data == fields) {
        return Ok(Put { record, created: false });
    }
    let source = ctx.actor().label();
    tx.put_record(ctx, collection, &row, &source, None).await?;
    tx.touch_collection(ctx, collection).await?;
    let change = match diff(before.as_ref().map(|before| &before.data), &fields) {
        RowDiff::Create => "created",
        RowDiff::Update { .. } | RowDiff::Unchanged => "updated",
    };
    tell(tx, ctx, collection, &row.key, change).await?;
    let record = tx.record(ctx, collection, &row.key).await?;
    let record = record.ok_or_else(|| Error::internal("a record just written is not there"))?;
    Ok(Put { record, created: before.is_none() })
}

/// Removes one record. `guard` sees it and may refuse.
///
/// # Errors
/// `not_found`, what `guard` says.
pub async fn delete(
    parts: &Parts,
    ctx: &TenantCtx,
    collection: &CollectionName,
    key: &str,
    guard: impl FnOnce(&Record) -> Result<()> + Send + 'static,
) -> Result<()> {
    let (ctx, collection, key) = (ctx.clone(), collection.clone(), key.to_owned());
    parts
        .store
        .write(move |tx| {
            Box::pin(async move {
                tx.lock_collection(&ctx, &collection).await?;
                let found = tx.record(&ctx, &collection, &key).await?;
                guard(&found.ok_or_else(|| Error::not_found("record"))?)?;
                tx.delete_record(&ctx, &collection, &key).await?;
                tx.touch_collection(&ctx, &collection).await?;
                tell(tx, &ctx, &collection, &key, "deleted").await
            })
        })
        .await
}

/// Notes that a collection is being exported.
///
/// # Errors
/// What the database says.
pub async fn note_export(
    parts: &Parts,
    ctx: &TenantCtx,
    collection: &CollectionName,
    format: &'static str,
) -> Result<()> {
    let (ctx, collection) = (ctx.clone(), collection.clone());
    parts
        .store
        .write(move |tx| {
            Box::pin(async move {
                let (kind, detail) = (EventType::CollectionExported, json!({ "format": format }));
                tx.emit(&ctx, kind, collection.as_str(), detail.clone()).await?;
                tx.audit(&ctx, kind.name(), collection.as_str(), detail).await
            })
        })
        .await
}

async fn tell(
    tx: &mut Tx,
    ctx: &TenantCtx,
    collection: &CollectionName,
    key: &str,
    change: &str,
) -> Result<()> {
    let told = json!({ "collection": collection, "key": key, "change": change });
    tx.emit(ctx, EventType::RecordsChanged, collection.as_str(), told.clone()).await?;
    tx.audit(ctx, &format!("record.{change}"), collection.as_str(), told).await
}
