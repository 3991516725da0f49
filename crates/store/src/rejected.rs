//! Rows that a data flow could not take, kept with the reason until they are replayed.

use connectus_core::{
    FlowId, Page, RejectedRowId, RunId, TenantCtx, Timestamp, error::FieldError, flow::Leg,
    page::Listing,
};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::FromRow;

use crate::{
    conn::{Conn, Split, Tx},
    error::StoreResult,
    sql::{dialects, on, sql},
};

macro_rules! columns {
    () => {
        "id, flow_id, run_id, leg, source_key, source, errors, created_at, replayed_at"
    };
}

macro_rules! on_conflict {
    () => {
        " ON CONFLICT (tenant_id, flow_id, leg, source_key) DO UPDATE SET \
         run_id = excluded.run_id, source = excluded.source, errors = excluded.errors, \
         replayed_at = NULL"
    };
}

macro_rules! of_flow {
    () => {
        " FROM rejected_rows WHERE tenant_id = $1 AND flow_id = $2 \
         AND ($3 = TRUE OR replayed_at IS NULL)"
    };
}

sql! {
    GET = concat!("SELECT ", columns!(), " FROM rejected_rows WHERE tenant_id = $1 AND id = $2");
    LIST = concat!(
        "SELECT ", columns!(), of_flow!(), " ORDER BY created_at, id LIMIT $4 OFFSET $5"
    );
    COUNT = concat!("SELECT COUNT(*)", of_flow!());
    FORGET_SOURCES = "UPDATE rejected_rows SET source = 'null' WHERE tenant_id = $1 \
                      AND flow_id = $2";
}

dialects! {
    INSERT = concat!(
        "INSERT INTO rejected_rows (tenant_id, id, flow_id, run_id, source_key, source, errors, \
         created_at, leg) SELECT $1, value ->> 0, $2, $3, value ->> 1, value -> 2, value -> 3, \
         $5, $6 \
         FROM json_each($4) WHERE TRUE", on_conflict!()),
        concat!(
        "INSERT INTO rejected_rows (tenant_id, id, flow_id, run_id, source_key, source, errors, \
         created_at, leg) SELECT $1, value ->> 0, $2, $3, value ->> 1, \
         CAST(value -> 2 AS TEXT), value ->> 3, $5, $6 \
         FROM json_array_elements(CAST($4 AS JSON))", on_conflict!());
    RESOLVE =
        "UPDATE rejected_rows SET replayed_at = $4 WHERE tenant_id = $1 AND flow_id = $2 \
         AND leg = $5 AND replayed_at IS NULL AND source_key IN (SELECT value FROM json_each($3))",
        "UPDATE rejected_rows SET replayed_at = $4 WHERE tenant_id = $1 AND flow_id = $2 \
         AND leg = $5 AND replayed_at IS NULL AND source_key = ANY($3)";
}

/// A row to be kept.
#[derive(Clone, Debug)]
pub struct NewRejectedRow {
    /// Its identifier; that of an earlier refusal of the same row stays.
    pub id: RejectedRowId,
    /// What identifies the row in its source.
    pub source_key: String,
    /// The row as it was read; null when it was too large to keep.
    pub source: Value,
    /// Why it was refused, field by field.
    pub errors: Vec<FieldError>,
}

/// A kept row.
#[derive(Clone, Debug, Serialize)]
pub struct RejectedRow {
    /// Identifier.
    pub id: RejectedRowId,
    /// The flow that could not take it.
    pub flow: FlowId,
    /// The run that last tried.
    pub run: RunId,
    /// Which way it was to travel.
    pub leg: Leg,
    /// What identifies the row in its source.
    pub source_key: String,
    /// The row as it was read; null when it was too large to keep.
    pub source: Value,
    /// Why it was refused: a list of `{field, message}`.
    pub errors: Value,
    /// When it was first refused.
    pub created_at: Timestamp,
    /// When it was taken after all.
    pub replayed_at: Option<Timestamp>,
}

#[derive(FromRow)]
struct Row {
    id: String,
    flow_id: String,
    run_id: String,
    leg: String,
    source_key: String,
    source: String,
    errors: String,
    created_at: i64,
    replayed_at: Option<i64>,
}

impl Row {
    fn rejected(self) -> StoreResult<RejectedRow> {
        Ok(RejectedRow {
            id: RejectedRowId::trusted(self.id),
            flow: FlowId::trusted(self.flow_id),
            run: RunId::trusted(self.run_id),
            leg: self.leg.parse()?,
            source_key: self.source_key,
            source: serde_json::from_str(&self.source)?,
            errors: serde_json::from_str(&self.errors)?,
            created_at: Timestamp(self.created_at),
            replayed_at: self.replayed_at.map(Timestamp),
        })
    }
}

impl Tx {
    /// Forgets what the refused rows of a flow hold: they can only be read again.
    ///
    /// # Errors
    /// What the database says.
    pub async fn forget_rejected_sources(
        &mut self,
        ctx: &TenantCtx,
        flow: &FlowId,
    ) -> StoreResult<()> {
        on!(self, c => sqlx::query(FORGET_SOURCES)
            .bind(ctx.tenant().as_str()).bind(flow.as_str()).execute(c).await.map(drop)?);
        Ok(())
    }

    /// Keeps refused rows; a row refused before is brought up to date, so a second run adds none.
    ///
    /// # Errors
    /// What the database says.
    pub async fn keep_rejected(
        &mut self,
        ctx: &TenantCtx,
        flow: &FlowId,
        leg: Leg,
        run: &RunId,
        rows: &[NewRejectedRow],
    ) -> StoreResult<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let now = self.env.now().0;
        let tenant = ctx.tenant().as_str();
        let list: Vec<Value> = rows
            .iter()
            .map(|row| json!([row.id, row.source_key, row.source, row.errors]))
            .collect();
        let list = Value::Array(list).to_string();
        match self.split() {
            Split::Sqlite(c) => sqlx::query(INSERT.sqlite)
                .bind(tenant)
                .bind(flow.as_str())
                .bind(run.as_str())
                .bind(list)
                .bind(now)
                .bind(leg.name())
                .execute(c)
                .await
                .map(drop)?,
            Split::Postgres(c) => sqlx::query(INSERT.postgres)
                .bind(tenant)
                .bind(flow.as_str())
                .bind(run.as_str())
                .bind(list)
                .bind(now)
                .bind(leg.name())
                .execute(c)
                .await
                .map(drop)?,
        }
        Ok(())
    }

    /// Notes that the flow has taken these rows after all. Returns how many it had refused before.
    ///
    /// # Errors
    /// What the database says.
    pub async fn resolve_rejected(
        &mut self,
        ctx: &TenantCtx,
        flow: &FlowId,
        leg: Leg,
        source_keys: &[&str],
    ) -> StoreResult<u64> {
        let now = self.env.now().0;
        let tenant = ctx.tenant().as_str();
        let touched = match self.split() {
            Split::Sqlite(c) => sqlx::query(RESOLVE.sqlite)
                .bind(tenant)
                .bind(flow.as_str())
                .bind(serde_json::to_string(source_keys)?)
                .bind(now)
                .bind(leg.name())
                .execute(c)
                .await?
                .rows_affected(),
            Split::Postgres(c) => sqlx::query(RESOLVE.postgres)
                .bind(tenant)
                .bind(flow.as_str())
                .bind(source_keys)
                .bind(now)
                .bind(leg.name())
                .execute(c)
                .await?
                .rows_affected(),
        };
        Ok(touched)
    }
}

impl Conn {
    /// A kept row.
    ///
    /// # Errors
    /// What the database says.
    pub async fn rejected_row(
        &mut self,
        ctx: &TenantCtx,
        id: &RejectedRowId,
    ) -> StoreResult<Option<RejectedRow>> {
        let row: Option<Row> = on!(self, c => sqlx::query_as(GET)
            .bind(ctx.tenant().as_str()).bind(id.as_str()).fetch_optional(c).await?);
        row.map(Row::rejected).transpose()
    }

    /// The rows a flow refused, oldest first: the open ones, or all with those taken since.
    ///
    /// # Errors
    /// What the database says.
    pub async fn rejected_rows(
        &mut self,
        ctx: &TenantCtx,
        flow: &FlowId,
        all: bool,
        page: Page,
    ) -> StoreResult<Listing<RejectedRow>> {
        let tenant = ctx.tenant().as_str();
        let total_count = self.count_rejected(ctx, flow, all).await?;
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(LIST)
            .bind(tenant)
            .bind(flow.as_str())
            .bind(all)
            .bind(i64::from(page.limit))
            .bind(i64::try_from(page.offset).unwrap_or(i64::MAX))
            .fetch_all(c)
            .await?);
        let items = rows.into_iter().map(Row::rejected).collect::<StoreResult<_>>()?;
        Ok(Listing { items, total_count })
    }

    /// How many rows a flow keeps: the open ones, or all.
    ///
    /// # Errors
    /// What the database says.
    pub async fn count_rejected(
        &mut self,
        ctx: &TenantCtx,
        flow: &FlowId,
        all: bool,
    ) -> StoreResult<u64> {
        let (count,): (i64,) = on!(self, c => sqlx::query_as(COUNT)
            .bind(ctx.tenant().as_str()).bind(flow.as_str()).bind(all).fetch_one(c).await?);
        Ok(u64::try_from(count).unwrap_or_default())
    }
}
