//! Plans of data flows: what a sync would do, kept to be looked at and then done exactly.

use connectus_core::{
    FlowId, FlowPlanId, Page, RunId, TenantCtx, Timestamp, UserId, flow::Leg, page::Listing,
};
use serde_json::{Value, json};
use sqlx::FromRow;

use crate::{
    conn::{Conn, Split, Tx},
    error::StoreResult,
    sql::{dialects, on, sql},
};

macro_rules! rows {
    ($columns:literal) => {
        concat!("SELECT ", $columns, " FROM flow_plan_rows WHERE tenant_id = $1 AND plan_id = $2")
    };
}

sql! {
    INSERT = "INSERT INTO flow_plans (tenant_id, id, flow_id, flow_version, state, base, reached, \
              run_id, created_by, created_at, expires_at) \
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    GET = "SELECT id, flow_id, flow_version, state, base, reached, counts, run_id, created_by, \
           created_at, expires_at FROM flow_plans WHERE tenant_id = $1 AND id = $2";
    // Plans of one flow that came before have nothing to say any more.
    SUPERSEDE = "UPDATE flow_plans SET expires_at = $3 \
                 WHERE tenant_id = $1 AND flow_id = $2 AND expires_at > $3";
    MOVE = "UPDATE flow_plans SET state = $3, reached = $4, counts = $5, run_id = $6 \
            WHERE tenant_id = $1 AND id = $2";
    COUNTS = "SELECT leg, kind, COUNT(*) FROM flow_plan_rows \
              WHERE tenant_id = $1 AND plan_id = $2 GROUP BY leg, kind";
    AFTER = concat!(
        rows!("leg, key, record, kind, shown, content, decision"),
        " AND leg = $3 AND key > $4 ORDER BY key LIMIT $5");
    LIST = concat!(
        rows!("leg, key, record, kind, shown, '' AS content, decision"),
        " AND kind <> 'link' AND (CAST($3 AS TEXT) IS NULL OR leg = $3) \
         AND (CAST($4 AS TEXT) IS NULL OR kind = $4) ORDER BY leg, key LIMIT $5 OFFSET $6");
    LIST_COUNT = concat!(
        rows!("COUNT(*)"),
        " AND kind <> 'link' AND (CAST($3 AS TEXT) IS NULL OR leg = $3) \
         AND (CAST($4 AS TEXT) IS NULL OR kind = $4)");
    DROP = "DELETE FROM flow_plans WHERE tenant_id = $1 AND flow_id = $2";
    FORGET_ROWS = "DELETE FROM flow_plan_rows WHERE (tenant_id, plan_id, leg, key) IN (\
                   SELECT r.tenant_id, r.plan_id, r.leg, r.key FROM flow_plans p \
                   JOIN flow_plan_rows r ON r.tenant_id = p.tenant_id AND r.plan_id = p.id \
                   WHERE p.expires_at < $1 LIMIT $2)";
    FORGET = "DELETE FROM flow_plans WHERE expires_at < $1 AND NOT EXISTS (\
              SELECT 1 FROM flow_plan_rows r WHERE r.tenant_id = flow_plans.tenant_id \
              AND r.plan_id = flow_plans.id)";
}

macro_rules! on_conflict {
    () => {
        " ON CONFLICT (tenant_id, plan_id, leg, key) DO UPDATE SET record = excluded.record, \
         kind = excluded.kind, \
         shown = excluded.shown, content = excluded.content, decision = excluded.decision"
    };
}

dialects! {
    PUT_ROWS = concat!(
        "INSERT INTO flow_plan_rows (tenant_id, plan_id, leg, key, record, kind, shown, content, \
         decision) SELECT $1, $2, $3, value ->> 0, value ->> 1, value ->> 2, value ->> 3, \
         value ->> 4, value ->> 5 \
         FROM json_each($4) WHERE TRUE", on_conflict!()),
        concat!(
        "INSERT INTO flow_plan_rows (tenant_id, plan_id, leg, key, record, kind, shown, content, \
         decision) SELECT $1, $2, $3, value ->> 0, value ->> 1, value ->> 2, value ->> 3, \
         value ->> 4, value ->> 5 \
         FROM json_array_elements(CAST($4 AS JSON))", on_conflict!());
    DROP_ROWS =
        "DELETE FROM flow_plan_rows WHERE tenant_id = $1 AND plan_id = $2 AND leg = $3 \
         AND key IN (SELECT value FROM json_each($4))",
        "DELETE FROM flow_plan_rows WHERE tenant_id = $1 AND plan_id = $2 AND leg = $3 \
         AND key = ANY($4)";
    MET = "SELECT record FROM flow_plan_rows WHERE tenant_id = $1 AND plan_id = $2 \
           AND leg = 'inbound' AND record IN (SELECT value FROM json_each($3))",
        "SELECT record FROM flow_plan_rows WHERE tenant_id = $1 AND plan_id = $2 \
         AND leg = 'inbound' AND record = ANY($3)";
}

/// A plan.
#[derive(Clone, Debug)]
pub struct FlowPlan {
    /// Identifier.
    pub id: FlowPlanId,
    /// The data flow.
    pub flow: FlowId,
    /// The flow's version it was made for.
    pub flow_version: u64,
    /// `making`, `ready`, `applying` or `applied`.
    pub state: String,
    /// Where the flow stood when the making began.
    pub base: Value,
    /// Where the making, later the applying, has come to.
    pub reached: Value,
    /// What it would do.
    pub counts: Value,
    /// The run that makes it, later the one that applies it.
    pub run: RunId,
    /// Who had it made.
    pub created_by: Option<UserId>,
    /// When.
    pub created_at: Timestamp,
    /// When it can no longer be applied.
    pub expires_at: Timestamp,
}

/// A row of a plan.
#[derive(Clone, Debug)]
pub struct PlanRow {
    /// Which way it travels.
    pub leg: Leg,
    /// Inbound what identifies it at the provider, outbound the record's key.
    pub key: String,
    /// The key of the record; empty for a row that is none.
    pub record: String,
    /// `create`, `update`, `keep`, `reject`, or `link`, which changes no value.
    pub kind: String,
    /// What people are shown of it.
    pub shown: Value,
    /// What is written.
    pub content: Value,
    /// The digest of the decision.
    pub decision: String,
}

#[derive(FromRow)]
struct Row {
    id: String,
    flow_id: String,
    flow_version: i64,
    state: String,
    base: String,
    reached: String,
    counts: String,
    run_id: String,
    created_by: Option<String>,
    created_at: i64,
    expires_at: i64,
}

#[derive(FromRow)]
struct RowOf {
    leg: String,
    key: String,
    record: String,
    kind: String,
    shown: String,
    content: String,
    decision: String,
}

impl Row {
    fn plan(self) -> StoreResult<FlowPlan> {
        Ok(FlowPlan {
            id: FlowPlanId::trusted(self.id),
            flow: FlowId::trusted(self.flow_id),
            flow_version: u64::try_from(self.flow_version).unwrap_or_default(),
            state: self.state,
            base: serde_json::from_str(&self.base)?,
            reached: serde_json::from_str(&self.reached)?,
            counts: serde_json::from_str(&self.counts)?,
            run: RunId::trusted(self.run_id),
            created_by: self.created_by.map(UserId::trusted),
            created_at: Timestamp(self.created_at),
            expires_at: Timestamp(self.expires_at),
        })
    }
}

impl RowOf {
    fn row(self) -> StoreResult<PlanRow> {
        let content = if self.content.is_empty() { "null" } else { &self.content };
        Ok(PlanRow {
            leg: self.leg.parse()?,
            key: self.key,
            record: self.record,
            kind: self.kind,
            shown: serde_json::from_str(&self.shown)?,
            content: serde_json::from_str(content)?,
            decision: self.decision,
        })
    }
}

impl Tx {
    /// Removes the plans of a flow.
    ///
    /// # Errors
    /// What the database says.
    pub async fn drop_plans(&mut self, ctx: &TenantCtx, flow: &FlowId) -> StoreResult<()> {
        on!(self, c => sqlx::query(DROP)
            .bind(ctx.tenant().as_str()).bind(flow.as_str()).execute(c).await.map(drop)?);
        Ok(())
    }

    /// Adds a plan; earlier ones of the same flow expire.
    ///
    /// # Errors
    /// What the database says.
    pub async fn insert_plan(&mut self, ctx: &TenantCtx, plan: &FlowPlan) -> StoreResult<()> {
        let (tenant, flow) = (ctx.tenant().as_str(), plan.flow.as_str());
        let now = self.env.now().0;
        on!(self, c => sqlx::query(SUPERSEDE)
            .bind(tenant).bind(flow).bind(now).execute(c).await.map(drop)?);
        on!(self, c => sqlx::query(INSERT)
            .bind(tenant)
            .bind(plan.id.as_str())
            .bind(flow)
            .bind(i64::try_from(plan.flow_version).unwrap_or_default())
            .bind(&plan.state)
            .bind(plan.base.to_string())
            .bind(plan.reached.to_string())
            .bind(plan.run.as_str())
            .bind(plan.created_by.as_ref().map(UserId::as_str))
            .bind(plan.created_at.0)
            .bind(plan.expires_at.0)
            .execute(c)
            .await
            .map(drop)?);
        Ok(())
    }

    /// Writes how a plan stands.
    ///
    /// # Errors
    /// What the database says.
    pub async fn move_plan(&mut self, ctx: &TenantCtx, plan: &FlowPlan) -> StoreResult<()> {
        on!(self, c => sqlx::query(MOVE)
            .bind(ctx.tenant().as_str())
            .bind(plan.id.as_str())
            .bind(&plan.state)
            .bind(plan.reached.to_string())
            .bind(plan.counts.to_string())
            .bind(plan.run.as_str())
            .execute(c)
            .await
            .map(drop)?);
        Ok(())
    }

    /// Writes rows of a plan, adding or replacing, and drops those of `unchanged` keys.
    ///
    /// # Errors
    /// What the database says.
    pub async fn put_plan_rows(
        &mut self,
        ctx: &TenantCtx,
        plan: &FlowPlanId,
        leg: Leg,
        rows: &[PlanRow],
        unchanged: &[&str],
    ) -> StoreResult<()> {
        let list: Vec<Value> = rows
            .iter()
            .map(|row| {
                let (shown, content) = (row.shown.to_string(), row.content.to_string());
                json!([row.key, row.record, row.kind, shown, content, row.decision])
            })
            .collect();
        let list = Value::Array(list).to_string();
        let (tenant, plan, leg) = (ctx.tenant().as_str(), plan.as_str(), leg.name());
        match self.split() {
            Split::Sqlite(c) => {
                let keys = serde_json::to_string(unchanged)?;
                let drop_rows = sqlx::query(DROP_ROWS.sqlite).bind(tenant).bind(plan).bind(leg);
                drop_rows.bind(keys).execute(&mut *c).await?;
                let put = sqlx::query(PUT_ROWS.sqlite).bind(tenant).bind(plan).bind(leg);
                put.bind(list).execute(c).await?;
            }
            Split::Postgres(c) => {
                let drop_rows = sqlx::query(DROP_ROWS.postgres).bind(tenant).bind(plan).bind(leg);
                drop_rows.bind(unchanged).execute(&mut *c).await?;
                let put = sqlx::query(PUT_ROWS.postgres).bind(tenant).bind(plan).bind(leg);
                put.bind(list).execute(c).await?;
            }
        }
        Ok(())
    }

    /// Forgets plans that expired before, and what they hold, so many rows at most. Returns how
    /// many rows and plans went.
    ///
    /// # Errors
    /// What the database says.
    pub async fn forget_plans(&mut self, before: Timestamp, limit: u32) -> StoreResult<u64> {
        let rows = on!(self, c => sqlx::query(FORGET_ROWS)
            .bind(before.0).bind(i64::from(limit)).execute(c).await?.rows_affected());
        let plans = on!(self, c => sqlx::query(FORGET)
            .bind(before.0).execute(c).await?.rows_affected());
        Ok(rows + plans)
    }
}

impl Conn {
    /// A plan.
    ///
    /// # Errors
    /// What the database says.
    pub async fn plan(
        &mut self,
        ctx: &TenantCtx,
        id: &FlowPlanId,
    ) -> StoreResult<Option<FlowPlan>> {
        let row: Option<Row> = on!(self, c => sqlx::query_as(GET)
            .bind(ctx.tenant().as_str()).bind(id.as_str()).fetch_optional(c).await?);
        row.map(Row::plan).transpose()
    }

    /// How many rows of each leg and kind a plan has.
    ///
    /// # Errors
    /// What the database says.
    pub async fn plan_counts(
        &mut self,
        ctx: &TenantCtx,
        id: &FlowPlanId,
    ) -> StoreResult<Vec<(String, String, u64)>> {
        let rows: Vec<(String, String, i64)> = on!(self, c => sqlx::query_as(COUNTS)
            .bind(ctx.tenant().as_str()).bind(id.as_str()).fetch_all(c).await?);
        let count = |n: i64| u64::try_from(n).unwrap_or_default();
        Ok(rows.into_iter().map(|(leg, kind, n)| (leg, kind, count(n))).collect())
    }

    /// Rows of one leg of a plan behind a key, by key.
    ///
    /// # Errors
    /// What the database says.
    pub async fn plan_rows_after(
        &mut self,
        ctx: &TenantCtx,
        id: &FlowPlanId,
        leg: Leg,
        after: &str,
        limit: u32,
    ) -> StoreResult<Vec<PlanRow>> {
        let rows: Vec<RowOf> = on!(self, c => sqlx::query_as(AFTER)
            .bind(ctx.tenant().as_str()).bind(id.as_str()).bind(leg.name()).bind(after)
            .bind(i64::from(limit)).fetch_all(c).await?);
        rows.into_iter().map(RowOf::row).collect()
    }

    /// Rows of a plan as people are shown them, by leg and key; their content stays out.
    ///
    /// # Errors
    /// What the database says.
    pub async fn plan_rows(
        &mut self,
        ctx: &TenantCtx,
        id: &FlowPlanId,
        leg: Option<Leg>,
        kind: Option<&str>,
        page: Page,
    ) -> StoreResult<Listing<PlanRow>> {
        let (tenant, leg) = (ctx.tenant().as_str(), leg.map(Leg::name));
        let (total,): (i64,) = on!(self, c => sqlx::query_as(LIST_COUNT)
            .bind(tenant).bind(id.as_str()).bind(leg).bind(kind).fetch_one(c).await?);
        let rows: Vec<RowOf> = on!(self, c => sqlx::query_as(LIST)
            .bind(tenant)
            .bind(id.as_str())
            .bind(leg)
            .bind(kind)
            .bind(i64::from(page.limit))
            .bind(i64::try_from(page.offset).unwrap_or(i64::MAX))
            .fetch_all(c)
            .await?);
        let items = rows.into_iter().map(RowOf::row).collect::<StoreResult<_>>()?;
        Ok(Listing { items, total_count: u64::try_from(total).unwrap_or_default() })
    }

    /// Which of these records a plan meets with what comes in.
    ///
    /// # Errors
    /// What the database says.
    pub async fn plan_meets(
        &mut self,
        ctx: &TenantCtx,
        id: &FlowPlanId,
        keys: &[&str],
    ) -> StoreResult<Vec<String>> {
        let (tenant, id) = (ctx.tenant().as_str(), id.as_str());
        let rows: Vec<(String,)> = match self.split() {
            Split::Sqlite(c) => {
                let keys = serde_json::to_string(keys)?;
                sqlx::query_as(MET.sqlite).bind(tenant).bind(id).bind(keys).fetch_all(c).await?
            }
            Split::Postgres(c) => {
                sqlx::query_as(MET.postgres).bind(tenant).bind(id).bind(keys).fetch_all(c).await?
            }
        };
        Ok(rows.into_iter().map(|(record,)| record).collect())
    }
}
