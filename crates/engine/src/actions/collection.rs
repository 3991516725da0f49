//! Records inside Connectus: put one, look one up, remove one.

use async_trait::async_trait;
use connectus_core::{
    Error, Result, RunId, TenantCtx,
    collection::CollectionName,
    event::EventType,
    flow::{RowDiff, diff},
};
use connectus_store::Tx;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Action, ActionCx, Foreseen, read};
use crate::collections;

/// `collection.upsert`
pub(super) struct Upsert;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UpsertInput {
    collection: CollectionName,
    record: Map<String, Value>,
    #[serde(default)]
    key: Option<String>,
}

/// A record that is to be there, under its key.
struct Wanted {
    collection: CollectionName,
    record: Map<String, Value>,
    key: String,
}

impl Wanted {
    fn read(input: &Value) -> Result<Self> {
        let UpsertInput { collection, record, key } = read(input)?;
        let key = key.or_else(|| natural_key(&record)).ok_or_else(|| {
            Error::invalid("key", "name one, or give the record an `id` or an `email`")
        })?;
        Ok(Self { collection, record, key })
    }
}

/// What becomes of a record into which another is merged.
fn merged(
    before: Option<&Map<String, Value>>,
    record: Map<String, Value>,
) -> (&'static str, Map<String, Value>) {
    let mut data = before.cloned().unwrap_or_default();
    data.extend(record);
    let change = match diff(before, &data) {
        RowDiff::Unchanged => "unchanged",
        RowDiff::Create => "created",
        RowDiff::Update { .. } => "updated",
    };
    (change, data)
}

#[async_trait]
impl Action for Upsert {
    fn name(&self) -> &'static str {
        "collection.upsert"
    }

    fn summary(&self) -> &'static str {
        "Adds a record to a collection, or merges it into the one with the same key."
    }

    fn input(&self) -> Value {
        json!({
            "type": "object",
            "required": ["collection", "record"],
            "additionalProperties": false,
            "properties": {
                "collection": { "type": "string", "examples": ["digisol_crm/contacts"] },
                "record": { "type": "object" },
                "key": {
                    "type": ["string", "null"],
                    "description": "What identifies it; by default its id, else its email."
                }
            }
        })
    }

    fn output(&self) -> Value {
        json!({ "type": "object", "properties": {
            "collection": { "type": "string" },
            "key": { "type": "string" },
            "change": { "type": "string" },
            "record": { "type": "object" },
        } })
    }

    async fn foresee(&self, cx: &ActionCx<'_>, input: &Value) -> Result<Foreseen> {
        let Wanted { collection, record, key } = Wanted::read(input)?;
        let mut conn = cx.parts.store.read().await?;
        let before = conn.record(cx.ctx, &collection, &key).await?.map(|old| old.data);
        let (change, data) = merged(before.as_ref(), record);
        collections::prepared(&key, &data)?;
        Ok(Foreseen::Simulated(json!({
            "collection": collection, "key": key, "change": change, "record": data,
        })))
    }

    async fn perform(&self, cx: &ActionCx<'_>, input: &Value) -> Result<Value> {
        let Wanted { collection, record, key } = Wanted::read(input)?;
        let (ctx, source) = (cx.ctx.clone(), format!("workflow:{}", cx.run.subject_id));
        let step = Doer::of(cx);
        cx.parts
            .store
            .write(move |tx| {
                Box::pin(async move {
                    collections::ensure(tx, &ctx, &collection).await?;
                    let before = tx.record(&ctx, &collection, &key).await?.map(|old| old.data);
                    if let Some(change) = step.has_done(tx, &ctx, &collection).await? {
                        return Ok(json!({
                            "collection": collection, "key": key, "change": change,
                            "record": before,
                        }));
                    }
                    let (change, data) = merged(before.as_ref(), record);
                    if change != "unchanged" {
                        let row = collections::prepared(&key, &data)?;
                        tx.put_record(&ctx, &collection, &row, &source, None).await?;
                        tx.touch_collection(&ctx, &collection).await?;
                        step.tell(tx, &ctx, &collection, &key, change).await?;
                    }
                    Ok(json!({
                        "collection": collection, "key": key, "change": change, "record": data,
                    }))
                })
            })
            .await
    }
}

/// The step that changes a record. The event that tells of the change names it, so that a step of
/// which nobody knows the outcome finds its own.
struct Doer {
    run: RunId,
    key: String,
    unsure: bool,
}

impl Doer {
    fn of(cx: &ActionCx<'_>) -> Self {
        Self { run: cx.run.id.clone(), key: cx.key.to_owned(), unsure: cx.unsure }
    }

    /// What an earlier attempt did, if one has.
    async fn has_done(
        &self,
        tx: &mut Tx,
        ctx: &TenantCtx,
        collection: &CollectionName,
    ) -> Result<Option<Value>> {
        if !self.unsure {
            return Ok(None);
        }
        let told = tx.told_with(ctx, collection.as_str(), "step", &self.key).await?;
        Ok(told.map(|told| told["change"].clone()))
    }

    async fn tell(
        &self,
        tx: &mut Tx,
        ctx: &TenantCtx,
        collection: &CollectionName,
        key: &str,
        change: &str,
    ) -> Result<()> {
        let told = json!({
            "collection": collection, "key": key, "change": change, "run": self.run,
            "step": self.key,
        });
        tx.emit(ctx, EventType::RecordsChanged, collection.as_str(), told).await
    }
}

/// What identifies a record that says nothing else: its id, else its email.
fn natural_key(record: &Map<String, Value>) -> Option<String> {
    ["id", "email"].iter().find_map(|name| match record.get(*name)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyInput {
    collection: CollectionName,
    key: String,
}

fn key_input() -> Value {
    json!({
        "type": "object",
        "required": ["collection", "key"],
        "additionalProperties": false,
        "properties": { "collection": { "type": "string" }, "key": { "type": "string" } }
    })
}

/// `collection.get`
pub(super) struct Get;

#[async_trait]
impl Action for Get {
    fn name(&self) -> &'static str {
        "collection.get"
    }

    fn summary(&self) -> &'static str {
        "Looks up a record by its key; the output is null when there is none."
    }

    fn input(&self) -> Value {
        key_input()
    }

    fn only_reads(&self) -> bool {
        true
    }

    fn output(&self) -> Value {
        json!({ "type": "object" })
    }

    async fn perform(&self, cx: &ActionCx<'_>, input: &Value) -> Result<Value> {
        let KeyInput { collection, key } = read(input)?;
        let found = cx.parts.store.read().await?.record(cx.ctx, &collection, &key).await?;
        Ok(found.map_or(Value::Null, |record| Value::Object(record.data)))
    }
}

/// `collection.delete`
pub(super) struct Delete;

#[async_trait]
impl Action for Delete {
    fn name(&self) -> &'static str {
        "collection.delete"
    }

    fn summary(&self) -> &'static str {
        "Removes a record by its key, if it is there."
    }

    fn input(&self) -> Value {
        key_input()
    }

    fn output(&self) -> Value {
        json!({ "type": "object", "properties": {
            "deleted": { "type": "boolean" },
        } })
    }

    async fn foresee(&self, cx: &ActionCx<'_>, input: &Value) -> Result<Foreseen> {
        let KeyInput { collection, key } = read(input)?;
        let found = cx.parts.store.read().await?.record(cx.ctx, &collection, &key).await?;
        Ok(Foreseen::Simulated(json!({ "deleted": found.is_some() })))
    }

    async fn perform(&self, cx: &ActionCx<'_>, input: &Value) -> Result<Value> {
        let KeyInput { collection, key } = read(input)?;
        let (ctx, step) = (cx.ctx.clone(), Doer::of(cx));
        let deleted = cx
            .parts
            .store
            .write(move |tx| {
                Box::pin(async move {
                    if step.has_done(tx, &ctx, &collection).await?.is_some() {
                        return Ok(true);
                    }
                    let deleted = tx.delete_record(&ctx, &collection, &key).await?;
                    if deleted {
                        step.tell(tx, &ctx, &collection, &key, "deleted").await?;
                    }
                    Ok(deleted)
                })
            })
            .await?;
        Ok(json!({ "deleted": deleted }))
    }
}
