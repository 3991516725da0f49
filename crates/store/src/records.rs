//! The records of collections: written and looked up in batches, one statement each.

use connectus_core::{
    Error, IntegrationId, TenantCtx, Timestamp,
    canonical::{self, Digest},
    collection::{CollectionName, Record},
};
use serde_json::{Map, Value};
use sqlx::FromRow;

use crate::{
    conn::{Conn, Split, Tx},
    error::StoreResult,
    sql::{dialects, on, sql},
};

mod search;

pub(crate) use search::DIALECTS as SEARCH_DIALECTS;
pub use search::{RecordSearch, Sort, SortBy};

/// Rows that travel in one statement at most, so that no parameter grows without bound.
const STATEMENT_ROWS: usize = 5_000;
/// Digits of a hash as text; the batch statement of SQLite cuts by it.
const HASH_DIGITS: usize = 64;

macro_rules! columns {
    () => {
        "key, data, hash, source, created_at, updated_at"
    };
}
pub(crate) use columns;

macro_rules! on_conflict {
    () => {
        " ON CONFLICT (tenant_id, collection, key) DO UPDATE SET data = excluded.data, \
         hash = excluded.hash, source = excluded.source, updated_at = excluded.updated_at, \
         origin = CASE excluded.origin WHEN '' THEN records.origin ELSE excluded.origin END"
    };
}

sql! {
    GET = concat!("SELECT ", columns!(), " FROM records \
                   WHERE tenant_id = $1 AND collection = $2 AND key = $3");
    PUT = concat!(
        "INSERT INTO records (tenant_id, collection, key, data, hash, source, origin, created_at, \
         updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)", on_conflict!());
    CHANGED = concat!("SELECT ", columns!(), " FROM records \
                       WHERE tenant_id = $1 AND collection = $2 AND key > $3 \
                       AND updated_at >= $4 ORDER BY key LIMIT $5");
    DELETE = "DELETE FROM records WHERE tenant_id = $1 AND collection = $2 AND key = $3";
}

dialects! {
    // SQLite takes the batch as one JSON object {"<hash>:<key>": <data>}: a hash has 64 digits,
    // so both parts are cut out without parsing a row a second time.
    UPSERT = concat!(
        "INSERT INTO records (tenant_id, collection, key, data, hash, source, origin, created_at, \
         updated_at) SELECT $1, $2, substr(key, 66), value, substr(key, 1, 64), $4, $5, $6, $6 \
         FROM json_each($3) WHERE TRUE", on_conflict!()),
        concat!(
        "INSERT INTO records (tenant_id, collection, key, data, hash, source, origin, created_at, \
         updated_at) SELECT $1, $2, t.key, t.data, t.hash, $6, $7, $8, $8 \
         FROM UNNEST($3::TEXT[], $4::TEXT[], $5::TEXT[]) AS t(key, data, hash)", on_conflict!());
    STATES =
        "SELECT key, hash, source, origin, updated_at FROM records \
         WHERE tenant_id = $1 AND collection = $2 AND key IN (SELECT value FROM json_each($3))",
        "SELECT key, hash, source, origin, updated_at FROM records \
         WHERE tenant_id = $1 AND collection = $2 AND key = ANY($3)";
    BY_KEYS =
        concat!("SELECT ", columns!(), " FROM records WHERE tenant_id = $1 AND collection = $2 \
                 AND key IN (SELECT value FROM json_each($3))"),
        concat!("SELECT ", columns!(), " FROM records WHERE tenant_id = $1 AND collection = $2 \
                 AND key = ANY($3)");
}

/// A row to be written, serialised once by the caller.
#[derive(Clone, Debug)]
pub struct NewRecord {
    /// What identifies it within its collection.
    pub key: String,
    /// All its fields, as a JSON object.
    pub data: String,
    /// The hash of the fields its writer is answerable for.
    pub hash: Digest,
}

/// What is known about a stored record without reading its fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordState {
    /// Its key.
    pub key: String,
    /// The hash of the fields last written.
    pub hash: Digest,
    /// Who wrote them: a flow, a run or a person.
    pub source: String,
    /// The integration whose identifier the key holds; none when it came from none.
    pub origin: Option<IntegrationId>,
    /// When it last changed.
    pub updated_at: Timestamp,
}

#[derive(FromRow)]
struct StateRow {
    key: String,
    hash: String,
    source: String,
    origin: String,
    updated_at: i64,
}

#[derive(FromRow)]
struct Row {
    key: String,
    data: String,
    hash: String,
    source: String,
    created_at: i64,
    updated_at: i64,
}

impl Row {
    fn record(self) -> StoreResult<Record> {
        Ok(Record {
            key: self.key,
            data: serde_json::from_str(&self.data)?,
            hash: Digest::parse(&self.hash).unwrap_or_default(),
            source: self.source,
            created_at: Timestamp(self.created_at),
            updated_at: Timestamp(self.updated_at),
        })
    }
}

impl Tx {
    /// Writes rows of one writer, adding or replacing; keys must be distinct. The collection must
    /// exist.
    ///
    /// # Errors
    /// What the database says.
    pub async fn upsert_records(
        &mut self,
        ctx: &TenantCtx,
        collection: &CollectionName,
        rows: &[NewRecord],
        source: &str,
        origin: Option<&IntegrationId>,
    ) -> StoreResult<()> {
        for part in rows.chunks(STATEMENT_ROWS) {
            self.upsert_part(ctx, collection, part, source, origin).await?;
        }
        Ok(())
    }

    async fn upsert_part(
        &mut self,
        ctx: &TenantCtx,
        collection: &CollectionName,
        rows: &[NewRecord],
        source: &str,
        origin: Option<&IntegrationId>,
    ) -> StoreResult<()> {
        let now = self.env.now().0;
        let (tenant, name) = (ctx.tenant().as_str(), collection.as_str());
        let origin = origin.map_or("", IntegrationId::as_str);
        match self.split() {
            Split::Sqlite(c) => sqlx::query(UPSERT.sqlite)
                .bind(tenant)
                .bind(name)
                .bind(rows_as_object(rows)?)
                .bind(source)
                .bind(origin)
                .bind(now)
                .execute(c)
                .await
                .map(drop)?,
            Split::Postgres(c) => sqlx::query(UPSERT.postgres)
                .bind(tenant)
                .bind(name)
                .bind(rows.iter().map(|row| row.key.as_str()).collect::<Vec<_>>())
                .bind(rows.iter().map(|row| row.data.as_str()).collect::<Vec<_>>())
                .bind(rows.iter().map(|row| row.hash.to_string()).collect::<Vec<_>>())
                .bind(source)
                .bind(origin)
                .bind(now)
                .execute(c)
                .await
                .map(drop)?,
        }
        Ok(())
    }

    /// Writes one record, adding or replacing. The collection must exist.
    ///
    /// # Errors
    /// What the database says.
    pub async fn put_record(
        &mut self,
        ctx: &TenantCtx,
        collection: &CollectionName,
        row: &NewRecord,
        source: &str,
        origin: Option<&IntegrationId>,
    ) -> StoreResult<()> {
        let now = self.env.now().0;
        on!(self, c => sqlx::query(PUT)
            .bind(ctx.tenant().as_str())
            .bind(collection.as_str())
            .bind(&row.key)
            .bind(&row.data)
            .bind(row.hash.to_string())
            .bind(source)
            .bind(origin.map_or("", IntegrationId::as_str))
            .bind(now)
            .execute(c)
            .await
            .map(drop)?);
        Ok(())
    }

    /// Removes one record. False when there is none.
    ///
    /// # Errors
    /// What the database says.
    pub async fn delete_record(
        &mut self,
        ctx: &TenantCtx,
        collection: &CollectionName,
        key: &str,
    ) -> StoreResult<bool> {
        let touched = on!(self, c => sqlx::query(DELETE)
            .bind(ctx.tenant().as_str()).bind(collection.as_str()).bind(key)
            .execute(c).await?.rows_affected());
        Ok(touched == 1)
    }
}

impl Conn {
    /// What is known about the records with these keys; those that do not exist are left out.
    ///
    /// # Errors
    /// What the database says.
    pub async fn record_states(
        &mut self,
        ctx: &TenantCtx,
        collection: &CollectionName,
        keys: &[&str],
    ) -> StoreResult<Vec<RecordState>> {
        let (tenant, name) = (ctx.tenant().as_str(), collection.as_str());
        let rows: Vec<StateRow> = match self.split() {
            Split::Sqlite(c) => {
                sqlx::query_as(STATES.sqlite)
                    .bind(tenant)
                    .bind(name)
                    .bind(serde_json::to_string(keys)?)
                    .fetch_all(c)
                    .await?
            }
            Split::Postgres(c) => {
                sqlx::query_as(STATES.postgres)
                    .bind(tenant)
                    .bind(name)
                    .bind(keys)
                    .fetch_all(c)
                    .await?
            }
        };
        Ok(rows
            .into_iter()
            .map(|row| RecordState {
                key: row.key,
                hash: Digest::parse(&row.hash).unwrap_or_default(),
                source: row.source,
                origin: (!row.origin.is_empty()).then(|| IntegrationId::trusted(row.origin)),
                updated_at: Timestamp(row.updated_at),
            })
            .collect())
    }

    /// The records with these keys; those that do not exist are left out.
    ///
    /// # Errors
    /// What the database says.
    pub async fn records_by_keys(
        &mut self,
        ctx: &TenantCtx,
        collection: &CollectionName,
        keys: &[&str],
    ) -> StoreResult<Vec<Record>> {
        let (tenant, name) = (ctx.tenant().as_str(), collection.as_str());
        let rows: Vec<Row> = match self.split() {
            Split::Sqlite(c) => {
                sqlx::query_as(BY_KEYS.sqlite)
                    .bind(tenant)
                    .bind(name)
                    .bind(serde_json::to_string(keys)?)
                    .fetch_all(c)
                    .await?
            }
            Split::Postgres(c) => {
                sqlx::query_as(BY_KEYS.postgres)
                    .bind(tenant)
                    .bind(name)
                    .bind(keys)
                    .fetch_all(c)
                    .await?
            }
        };
        rows.into_iter().map(Row::record).collect()
    }

    /// Records behind the key `after` that changed at `since` or later, by key.
    ///
    /// # Errors
    /// What the database says.
    pub async fn changed_records(
        &mut self,
        ctx: &TenantCtx,
        collection: &CollectionName,
        after: &str,
        since: Timestamp,
        limit: u32,
    ) -> StoreResult<Vec<Record>> {
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(CHANGED)
            .bind(ctx.tenant().as_str()).bind(collection.as_str()).bind(after).bind(since.0)
            .bind(i64::from(limit)).fetch_all(c).await?);
        rows.into_iter().map(Row::record).collect()
    }

    /// One record.
    ///
    /// # Errors
    /// What the database says.
    pub async fn record(
        &mut self,
        ctx: &TenantCtx,
        collection: &CollectionName,
        key: &str,
    ) -> StoreResult<Option<Record>> {
        let row: Option<Row> = on!(self, c => sqlx::query_as(GET)
            .bind(ctx.tenant().as_str()).bind(collection.as_str()).bind(key)
            .fetch_optional(c).await?);
        row.map(Row::record).transpose()
    }
}

impl NewRecord {
    /// A row that answers for all of its fields, in their canonical form.
    ///
    /// # Errors
    /// `internal` when that form is not text, which it always is.
    pub fn of(key: impl Into<String>, data: &Map<String, Value>) -> StoreResult<Self> {
        let mut bytes = Vec::with_capacity(256);
        canonical::write_object(data, &mut bytes);
        let hash = Digest::of(&bytes);
        let data = String::from_utf8(bytes).map_err(Error::internal)?;
        Ok(Self { key: key.into(), data, hash })
    }
}

fn rows_as_object(rows: &[NewRecord]) -> StoreResult<String> {
    let size: usize = rows.iter().map(|row| row.data.len() + row.key.len() + 72).sum();
    let mut object = Vec::with_capacity(size + 2);
    let (mut hash, mut key) = ([0; HASH_DIGITS], Vec::new());
    object.push(b'{');
    for (index, row) in rows.iter().enumerate() {
        if index > 0 {
            object.push(b',');
        }
        hex::encode_to_slice(row.hash.0, &mut hash).map_err(Error::internal)?;
        key.clear();
        serde_json::to_writer(&mut key, &row.key)?;
        object.push(b'"');
        object.extend_from_slice(&hash);
        object.push(b':');
        // The key's text without its opening quote: the hash stands inside the same one.
        object.extend_from_slice(key.get(1..).unwrap_or_default());
        object.push(b':');
        object.extend_from_slice(row.data.as_bytes());
    }
    object.push(b'}');
    Ok(String::from_utf8(object).map_err(Error::internal)?)
}
