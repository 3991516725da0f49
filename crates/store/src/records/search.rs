//! Looking through the records of a collection: filters, order, pages, export.
//!
//! Filters travel as one JSON parameter, so that any number of them is the same statement. What a
//! filter means is defined by [`Filter::matches`]; a test holds the SQL to it on both databases.

use connectus_core::{
    Page, TenantCtx,
    collection::{CollectionName, Filter, Operand, Record},
    page::Listing,
};
use serde_json::json;

use super::{Row, columns};
use crate::{
    conn::{Conn, Split},
    error::StoreResult,
    sql::dialects,
};

macro_rules! compare {
    ($field:literal, $operand:literal) => {
        concat!(
            "CASE f.op WHEN 'eq' THEN ",
            $field,
            " = ",
            $operand,
            " WHEN 'ne' THEN ",
            $field,
            " <> ",
            $operand,
            " WHEN 'gt' THEN ",
            $field,
            " > ",
            $operand,
            " WHEN 'gte' THEN ",
            $field,
            " >= ",
            $operand,
            " WHEN 'lt' THEN ",
            $field,
            " < ",
            $operand,
            " WHEN 'lte' THEN ",
            $field,
            " <= ",
            $operand,
            " ELSE FALSE END"
        )
    };
}

/// Every filter of `$3` holds: there is none that does not.
macro_rules! matches_sqlite {
    () => {
        concat!(
            " FROM records WHERE tenant_id = $1 AND collection = $2 AND NOT EXISTS (SELECT 1 FROM \
             (SELECT value ->> 'op' AS op, value ->> 'field' AS field, value ->> 'text' AS text, \
             value ->> 'number' AS number, value ->> 'flag' AS flag, \
             COALESCE(json_type(records.data, value ->> 'path'), 'null') AS kind \
             FROM json_each($3)) f WHERE NOT (CASE \
             WHEN f.op = 'is_null' THEN (f.kind = 'null') = f.flag \
             WHEN f.kind = 'null' THEN f.op = 'ne' \
             WHEN f.op = 'contains' THEN f.kind IN ('text', 'integer', 'real') \
             AND instr(lower(CASE f.kind WHEN 'text' THEN records.data ->> f.field \
             ELSE records.data -> f.field END), lower(f.text)) > 0 \
             WHEN f.kind = 'text' THEN ", compare!("records.data ->> f.field", "f.text"),
            " WHEN f.kind IN ('integer', 'real') AND f.number IS NOT NULL THEN ",
            compare!("records.data ->> f.field", "f.number"),
            " WHEN f.kind IN ('true', 'false') AND f.number IS NULL AND f.kind = f.text \
             THEN f.op IN ('eq', 'gte', 'lte') \
             ELSE f.op = 'ne' END))"
        )
    };
}

macro_rules! matches_postgres {
    () => {
        concat!(
            " FROM records WHERE tenant_id = $1 AND collection = $2 AND NOT EXISTS (SELECT 1 FROM \
             (SELECT value ->> 'op' AS op, value ->> 'field' AS field, value ->> 'text' AS text, \
             CAST(value ->> 'number' AS DOUBLE PRECISION) AS number, \
             CAST(value ->> 'flag' AS BOOLEAN) AS flag, \
             CAST(records.data AS JSONB) ->> (value ->> 'field') AS x, \
             COALESCE(jsonb_typeof(CAST(records.data AS JSONB) -> (value ->> 'field')), 'null') \
             AS kind FROM jsonb_array_elements(CAST($3 AS JSONB))) f WHERE NOT (CASE \
             WHEN f.op = 'is_null' THEN (f.kind = 'null') = f.flag \
             WHEN f.kind = 'null' THEN f.op = 'ne' \
             WHEN f.op = 'contains' THEN f.kind IN ('string', 'number') \
             AND strpos(lower(f.x COLLATE \"C\"), lower(f.text COLLATE \"C\")) > 0 \
             WHEN f.kind = 'string' THEN ",
            compare!("f.x COLLATE \"C\"", "f.text COLLATE \"C\""),
            " WHEN f.kind = 'number' AND f.number IS NOT NULL THEN ",
            compare!("CAST(f.x AS DOUBLE PRECISION)", "f.number"),
            " WHEN f.kind = 'boolean' AND f.number IS NULL AND f.x = f.text \
             THEN f.op IN ('eq', 'gte', 'lte') \
             ELSE f.op = 'ne' END))"
        )
    };
}

dialects! {
    COUNT = concat!("SELECT COUNT(*)", matches_sqlite!()),
        concat!("SELECT COUNT(*)", matches_postgres!());
    // The primary key gives this order, so a page costs no more than its rows.
    BY_KEY = concat!("SELECT ", columns!(), matches_sqlite!(), " ORDER BY key LIMIT $4 OFFSET $5"),
        concat!("SELECT ", columns!(), matches_postgres!(), " ORDER BY key LIMIT $4 OFFSET $5");
    AFTER_KEY = concat!(
            "SELECT ", columns!(), matches_sqlite!(), " AND key > $4 ORDER BY key LIMIT $5"),
        concat!("SELECT ", columns!(), matches_postgres!(), " AND key > $4 ORDER BY key LIMIT $5");
    FIELDS =
        "SELECT DISTINCT f.key FROM records, json_each(records.data) f \
         WHERE tenant_id = $1 AND collection = $2 ORDER BY f.key LIMIT $3",
        "SELECT DISTINCT f.key FROM records, jsonb_object_keys(CAST(data AS JSONB)) AS f(key) \
         WHERE tenant_id = $1 AND collection = $2 ORDER BY f.key LIMIT $3";
    SORTED = concat!(
            "SELECT ", columns!(), ", CASE $4 WHEN 'created_at' THEN created_at \
             WHEN 'updated_at' THEN updated_at WHEN 'field' THEN data ->> $5 ELSE key END AS rank",
            matches_sqlite!(),
            " ORDER BY CASE WHEN $6 THEN rank END DESC NULLS LAST, \
             CASE WHEN NOT $6 THEN rank END NULLS LAST, key LIMIT $7 OFFSET $8"),
        concat!(
            "SELECT ", columns!(), " FROM (SELECT ", columns!(), ", \
             CASE $4 WHEN 'created_at' THEN created_at WHEN 'updated_at' THEN updated_at \
             WHEN 'field' THEN CASE jsonb_typeof(CAST(data AS JSONB) -> $5) \
             WHEN 'number' THEN CAST(CAST(data AS JSONB) ->> $5 AS NUMERIC) END END AS n, \
             CASE $4 WHEN 'key' THEN key WHEN 'field' THEN CAST(data AS JSONB) ->> $5 END \
             COLLATE \"C\" AS t", matches_postgres!(),
            ") ranked ORDER BY CASE WHEN $6 THEN n END DESC NULLS LAST, \
             CASE WHEN NOT $6 THEN n END NULLS LAST, CASE WHEN $6 THEN t END DESC NULLS LAST, \
             CASE WHEN NOT $6 THEN t END NULLS LAST, key LIMIT $7 OFFSET $8");
}

/// What a listing is ordered by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SortBy {
    /// The record's key.
    Key,
    /// When it first arrived.
    CreatedAt,
    /// When it last changed.
    UpdatedAt,
    /// One of its fields; records without it come last.
    Field(String),
}

/// The order of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sort {
    /// By what.
    pub by: SortBy,
    /// Greatest first.
    pub descending: bool,
}

impl Default for Sort {
    fn default() -> Self {
        Self { by: SortBy::Key, descending: false }
    }
}

/// What to look for in a collection.
#[derive(Clone, Debug, Default)]
pub struct RecordSearch {
    /// Conditions, all of which must hold.
    pub filters: Vec<Filter>,
    /// In which order.
    pub sort: Sort,
}

fn filters_json(filters: &[Filter]) -> String {
    let list: Vec<_> = filters
        .iter()
        .map(|filter| {
            let (number, flag) = match &filter.operand {
                Operand::Number(number, _) => (Some(*number), None),
                Operand::Text(_) => (None, None),
                Operand::Flag(flag) => (None, Some(*flag)),
            };
            json!({
                "op": filter.op.name(),
                "field": filter.field,
                "path": format!("$.\"{}\"", filter.field),
                "text": filter.operand.text(),
                "number": number,
                "flag": flag,
            })
        })
        .collect();
    serde_json::Value::Array(list).to_string()
}

impl Conn {
    /// Records of a collection that match, one page.
    ///
    /// # Errors
    /// What the database says.
    pub async fn search_records(
        &mut self,
        ctx: &TenantCtx,
        collection: &CollectionName,
        search: &RecordSearch,
        page: Page,
    ) -> StoreResult<Listing<Record>> {
        let filters = filters_json(&search.filters);
        let (tenant, name) = (ctx.tenant().as_str(), collection.as_str());
        let (total,): (i64,) = match self.split() {
            Split::Sqlite(c) => {
                sqlx::query_as(COUNT.sqlite)
                    .bind(tenant)
                    .bind(name)
                    .bind(&filters)
                    .fetch_one(c)
                    .await?
            }
            Split::Postgres(c) => {
                sqlx::query_as(COUNT.postgres)
                    .bind(tenant)
                    .bind(name)
                    .bind(&filters)
                    .fetch_one(c)
                    .await?
            }
        };
        let rows = if search.sort == Sort::default() {
            self.page_by_key(ctx, collection, &filters, page).await?
        } else {
            self.page_sorted(ctx, collection, &filters, &search.sort, page).await?
        };
        let items = rows.into_iter().map(Row::record).collect::<StoreResult<_>>()?;
        Ok(Listing { items, total_count: u64::try_from(total).unwrap_or_default() })
    }

    async fn page_by_key(
        &mut self,
        ctx: &TenantCtx,
        collection: &CollectionName,
        filters: &str,
        page: Page,
    ) -> StoreResult<Vec<Row>> {
        let (tenant, name) = (ctx.tenant().as_str(), collection.as_str());
        let (limit, offset) =
            (i64::from(page.limit), i64::try_from(page.offset).unwrap_or(i64::MAX));
        Ok(match self.split() {
            Split::Sqlite(c) => {
                sqlx::query_as(BY_KEY.sqlite)
                    .bind(tenant)
                    .bind(name)
                    .bind(filters)
                    .bind(limit)
                    .bind(offset)
                    .fetch_all(c)
                    .await?
            }
            Split::Postgres(c) => {
                sqlx::query_as(BY_KEY.postgres)
                    .bind(tenant)
                    .bind(name)
                    .bind(filters)
                    .bind(limit)
                    .bind(offset)
                    .fetch_all(c)
                    .await?
            }
        })
    }

    async fn page_sorted(
        &mut self,
        ctx: &TenantCtx,
        collection: &CollectionName,
        filters: &str,
        sort: &Sort,
        page: Page,
    ) -> StoreResult<Vec<Row>> {
        let (tenant, name) = (ctx.tenant().as_str(), collection.as_str());
        let (by, field) = match &sort.by {
            SortBy::Key => ("key", ""),
            SortBy::CreatedAt => ("created_at", ""),
            SortBy::UpdatedAt => ("updated_at", ""),
            SortBy::Field(field) => ("field", field.as_str()),
        };
        let (limit, offset) =
            (i64::from(page.limit), i64::try_from(page.offset).unwrap_or(i64::MAX));
        Ok(match self.split() {
            Split::Sqlite(c) => {
                sqlx::query_as(SORTED.sqlite)
                    .bind(tenant)
                    .bind(name)
                    .bind(filters)
                    .bind(by)
                    .bind(field)
                    .bind(sort.descending)
                    .bind(limit)
                    .bind(offset)
                    .fetch_all(c)
                    .await?
            }
            Split::Postgres(c) => {
                sqlx::query_as(SORTED.postgres)
                    .bind(tenant)
                    .bind(name)
                    .bind(filters)
                    .bind(by)
                    .bind(field)
                    .bind(sort.descending)
                    .bind(limit)
                    .bind(offset)
                    .fetch_all(c)
                    .await?
            }
        })
    }

    /// Matching records with keys beyond `after`, by key, `limit` at most: the pages of an export.
    /// No page is skipped or repeated when records come and go meanwhile.
    ///
    /// # Errors
    /// What the database says.
    pub async fn records_after(
        &mut self,
        ctx: &TenantCtx,
        collection: &CollectionName,
        filters: &[Filter],
        after: &str,
        limit: u32,
    ) -> StoreResult<Vec<Record>> {
        let (tenant, name) = (ctx.tenant().as_str(), collection.as_str());
        let filters = filters_json(filters);
        let rows: Vec<Row> = match self.split() {
            Split::Sqlite(c) => {
                sqlx::query_as(AFTER_KEY.sqlite)
                    .bind(tenant)
                    .bind(name)
                    .bind(&filters)
                    .bind(after)
                    .bind(i64::from(limit))
                    .fetch_all(c)
                    .await?
            }
            Split::Postgres(c) => {
                sqlx::query_as(AFTER_KEY.postgres)
                    .bind(tenant)
                    .bind(name)
                    .bind(&filters)
                    .bind(after)
                    .bind(i64::from(limit))
                    .fetch_all(c)
                    .await?
            }
        };
        rows.into_iter().map(Row::record).collect()
    }

    /// The names of all fields that occur in a collection, sorted, `limit` at most.
    ///
    /// # Errors
    /// What the database says.
    pub async fn record_fields(
        &mut self,
        ctx: &TenantCtx,
        collection: &CollectionName,
        limit: u32,
    ) -> StoreResult<Vec<String>> {
        let (tenant, name, limit) = (ctx.tenant().as_str(), collection.as_str(), i64::from(limit));
        let rows: Vec<(String,)> = match self.split() {
            Split::Sqlite(c) => {
                sqlx::query_as(FIELDS.sqlite)
                    .bind(tenant)
                    .bind(name)
                    .bind(limit)
                    .fetch_all(c)
                    .await?
            }
            Split::Postgres(c) => {
                sqlx::query_as(FIELDS.postgres)
                    .bind(tenant)
                    .bind(name)
                    .bind(limit)
                    .fetch_all(c)
                    .await?
            }
        };
        Ok(rows.into_iter().map(|(name,)| name).collect())
    }
}
