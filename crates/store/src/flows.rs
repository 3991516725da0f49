//! Data flows.

use connectus_core::{
    FlowId, IntegrationId, Page, RunId, TenantCtx, TenantId, Timestamp, UserId,
    flow::{DataFlow, Direction, FlowStatus},
    page::Listing,
};
use sqlx::FromRow;

use crate::{
    conn::{Conn, Tx},
    error::StoreResult,
    sql::{on, sql},
};

macro_rules! columns {
    () => {
        "tenant_id, id, integration_id, name, direction, status, stream, destination, \
         source_fields, target_fields, transformation_rules, conflict_policy, options, \
         sync_frequency, records_processed, records_failed, last_run_id, last_synced_at, \
         next_due_at, created_by, \
         created_at, updated_at, version, status_reason"
    };
}

macro_rules! filter {
    () => {
        " FROM data_flows WHERE tenant_id = $1 \
         AND (CAST($2 AS TEXT) IS NULL OR integration_id = $2) \
         AND (CAST($3 AS TEXT) IS NULL OR status = $3) \
         AND (CAST($4 AS TEXT) IS NULL OR direction = $4)"
    };
}

sql! {
    INSERT = "INSERT INTO data_flows (tenant_id, id, integration_id, name, direction, status, \
              stream, destination, source_fields, target_fields, transformation_rules, \
              conflict_policy, sync_frequency, next_due_at, created_by, created_at, updated_at, \
              options, status_reason) \
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, \
              $16, $17, $18)";
    UPDATE = "UPDATE data_flows SET integration_id = $3, name = $4, direction = $5, status = $6, \
              stream = $7, destination = $8, source_fields = $9, target_fields = $10, \
              transformation_rules = $11, conflict_policy = $12, sync_frequency = $13, \
              next_due_at = $14, updated_at = $15, options = $17, status_reason = $18, \
              version = version + 1 \
              WHERE tenant_id = $1 AND id = $2 AND version = $16";
    DELETE = "DELETE FROM data_flows WHERE tenant_id = $1 AND id = $2";
    GET = concat!("SELECT ", columns!(), " FROM data_flows WHERE tenant_id = $1 AND id = $2");
    LIST = concat!(
        "SELECT ", columns!(), filter!(), " ORDER BY created_at, id LIMIT $5 OFFSET $6");
    COUNT = concat!("SELECT COUNT(*)", filter!());
    // Writing a column to itself takes the row's lock on either database.
    LOCK = "UPDATE data_flows SET version = version WHERE tenant_id = $1 AND id = $2 \
            RETURNING version";
    INTEGRATIONS = "SELECT id, provider FROM integrations WHERE tenant_id = $1";
    DUE = concat!(
        "SELECT ", columns!(), " FROM data_flows \
         WHERE status = 'active' AND next_due_at <= $1 ORDER BY next_due_at LIMIT $2");
    NEXT_DUE = "SELECT MIN(next_due_at) FROM data_flows WHERE status = 'active'";
    MOVE_DUE = "UPDATE data_flows SET next_due_at = $3 \
                WHERE tenant_id = $1 AND id = $2 AND next_due_at = $4";
    NOTE_RUN = "UPDATE data_flows SET last_run_id = $3 WHERE tenant_id = $1 AND id = $2";
    ADD_COUNTS = "UPDATE data_flows SET records_processed = records_processed + $3, \
                  records_failed = records_failed + $4 WHERE tenant_id = $1 AND id = $2";
    NOTE_SYNCED = "UPDATE data_flows SET last_synced_at = $3 WHERE tenant_id = $1 AND id = $2";
}

/// Which flows a listing wants.
#[derive(Clone, Debug, Default)]
pub struct FlowFilter {
    /// Only flows of this integration.
    pub integration: Option<IntegrationId>,
    /// Only this status.
    pub status: Option<FlowStatus>,
    /// Only this direction.
    pub direction: Option<Direction>,
}

#[derive(FromRow)]
struct Row {
    tenant_id: String,
    id: String,
    integration_id: String,
    name: String,
    direction: String,
    status: String,
    stream: String,
    destination: String,
    source_fields: String,
    target_fields: String,
    transformation_rules: String,
    conflict_policy: String,
    options: String,
    sync_frequency: String,
    records_processed: i64,
    records_failed: i64,
    last_run_id: Option<String>,
    last_synced_at: Option<i64>,
    next_due_at: Option<i64>,
    created_by: Option<String>,
    created_at: i64,
    updated_at: i64,
    version: i64,
    status_reason: Option<String>,
}

impl Row {
    fn flow(self) -> StoreResult<DataFlow> {
        let count = |n: i64| u64::try_from(n).unwrap_or_default();
        Ok(DataFlow {
            id: FlowId::trusted(self.id),
            tenant: TenantId::trusted(self.tenant_id),
            integration: IntegrationId::trusted(self.integration_id),
            name: self.name,
            direction: self.direction.parse()?,
            status: self.status.parse()?,
            status_reason: self.status_reason,
            stream: self.stream,
            destination: self.destination.parse()?,
            source_fields: serde_json::from_str(&self.source_fields)?,
            target_fields: serde_json::from_str(&self.target_fields)?,
            transformation_rules: serde_json::from_str(&self.transformation_rules)?,
            conflict_policy: self.conflict_policy.parse()?,
            options: serde_json::from_str(&self.options)?,
            sync_frequency: self.sync_frequency,
            records_processed: count(self.records_processed),
            records_failed: count(self.records_failed),
            last_run: self.last_run_id.map(RunId::trusted),
            last_synced_at: self.last_synced_at.map(Timestamp),
            next_due_at: self.next_due_at.map(Timestamp),
            created_by: self.created_by.map(UserId::trusted),
            created_at: Timestamp(self.created_at),
            updated_at: Timestamp(self.updated_at),
            version: count(self.version),
        })
    }
}

impl Tx {
    /// Adds a data flow.
    ///
    /// # Errors
    /// `not_found` when its integration is not the tenant's.
    pub async fn insert_flow(&mut self, flow: &DataFlow) -> StoreResult<()> {
        let source_fields = serde_json::to_string(&flow.source_fields)?;
        let target_fields = serde_json::to_string(&flow.target_fields)?;
        let rules = serde_json::to_string(&flow.transformation_rules)?;
        let options = serde_json::to_string(&flow.options)?;
        on!(self, c => sqlx::query(INSERT)
            .bind(flow.tenant.as_str())
            .bind(flow.id.as_str())
            .bind(flow.integration.as_str())
            .bind(&flow.name)
            .bind(flow.direction.name())
            .bind(flow.status.name())
            .bind(&flow.stream)
            .bind(flow.destination.as_str())
            .bind(source_fields)
            .bind(target_fields)
            .bind(rules)
            .bind(flow.conflict_policy.name())
            .bind(&flow.sync_frequency)
            .bind(flow.next_due_at.map(|at| at.0))
            .bind(flow.created_by.as_ref().map(UserId::as_str))
            .bind(flow.created_at.0)
            .bind(options)
            .bind(flow.status_reason.as_deref())
            .execute(c)
            .await
            .map(drop)?);
        Ok(())
    }

    /// Replaces the definition of a flow whose version is still the one that was read. Counters
    /// and history stay. False when it is not.
    ///
    /// # Errors
    /// `not_found` when its integration is not the tenant's.
    pub async fn update_flow(&mut self, flow: &DataFlow) -> StoreResult<bool> {
        let now = self.env.now().0;
        let source_fields = serde_json::to_string(&flow.source_fields)?;
        let target_fields = serde_json::to_string(&flow.target_fields)?;
        let rules = serde_json::to_string(&flow.transformation_rules)?;
        let options = serde_json::to_string(&flow.options)?;
        let touched = on!(self, c => sqlx::query(UPDATE)
            .bind(flow.tenant.as_str())
            .bind(flow.id.as_str())
            .bind(flow.integration.as_str())
            .bind(&flow.name)
            .bind(flow.direction.name())
            .bind(flow.status.name())
            .bind(&flow.stream)
            .bind(flow.destination.as_str())
            .bind(source_fields)
            .bind(target_fields)
            .bind(rules)
            .bind(flow.conflict_policy.name())
            .bind(&flow.sync_frequency)
            .bind(flow.next_due_at.map(|at| at.0))
            .bind(now)
            .bind(i64::try_from(flow.version).unwrap_or_default())
            .bind(options)
            .bind(flow.status_reason.as_deref())
            .execute(c)
            .await?
            .rows_affected());
        Ok(touched == 1)
    }

    /// Removes a flow with its cursor and its rejected rows. Its runs and the records it wrote
    /// stay. False when there is none.
    ///
    /// # Errors
    /// What the database says.
    pub async fn delete_flow(&mut self, ctx: &TenantCtx, id: &FlowId) -> StoreResult<bool> {
        let touched = on!(self, c => sqlx::query(DELETE)
            .bind(ctx.tenant().as_str()).bind(id.as_str()).execute(c).await?.rows_affected());
        Ok(touched == 1)
    }

    /// Holds a flow until the transaction ends, so that two starts decide one after the other.
    /// Returns its version; none when there is no such flow.
    ///
    /// # Errors
    /// What the database says.
    pub async fn lock_flow(&mut self, ctx: &TenantCtx, id: &FlowId) -> StoreResult<Option<u64>> {
        let row: Option<(i64,)> = on!(self, c => sqlx::query_as(LOCK)
            .bind(ctx.tenant().as_str()).bind(id.as_str()).fetch_optional(c).await?);
        Ok(row.map(|(version,)| u64::try_from(version).unwrap_or_default()))
    }

    /// Plans a flow's next run, if it is still planned for `slot`. False when someone else moved
    /// it first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn move_flow_due(
        &mut self,
        ctx: &TenantCtx,
        id: &FlowId,
        slot: Timestamp,
        next: Option<Timestamp>,
    ) -> StoreResult<bool> {
        let touched = on!(self, c => sqlx::query(MOVE_DUE)
            .bind(ctx.tenant().as_str()).bind(id.as_str()).bind(next.map(|at| at.0)).bind(slot.0)
            .execute(c).await?.rows_affected());
        Ok(touched == 1)
    }

    /// Notes a flow's newest run.
    ///
    /// # Errors
    /// What the database says.
    pub async fn note_flow_run(
        &mut self,
        ctx: &TenantCtx,
        id: &FlowId,
        run: &RunId,
    ) -> StoreResult<()> {
        on!(self, c => sqlx::query(NOTE_RUN)
            .bind(ctx.tenant().as_str()).bind(id.as_str()).bind(run.as_str())
            .execute(c).await.map(drop)?);
        Ok(())
    }

    /// Adds to a flow's counters over all runs: records taken and records refused.
    ///
    /// # Errors
    /// What the database says.
    pub async fn add_flow_counts(
        &mut self,
        ctx: &TenantCtx,
        id: &FlowId,
        processed: u64,
        failed: u64,
    ) -> StoreResult<()> {
        let (processed, failed) = (
            i64::try_from(processed).unwrap_or(i64::MAX),
            i64::try_from(failed).unwrap_or(i64::MAX),
        );
        on!(self, c => sqlx::query(ADD_COUNTS)
            .bind(ctx.tenant().as_str()).bind(id.as_str()).bind(processed).bind(failed)
            .execute(c).await.map(drop)?);
        Ok(())
    }

    /// Notes that a flow synced to the end just now.
    ///
    /// # Errors
    /// What the database says.
    pub async fn note_flow_synced(&mut self, ctx: &TenantCtx, id: &FlowId) -> StoreResult<()> {
        let now = self.env.now().0;
        on!(self, c => sqlx::query(NOTE_SYNCED)
            .bind(ctx.tenant().as_str()).bind(id.as_str()).bind(now)
            .execute(c).await.map(drop)?);
        Ok(())
    }
}

impl Conn {
    /// A data flow.
    ///
    /// # Errors
    /// What the database says.
    pub async fn flow(&mut self, ctx: &TenantCtx, id: &FlowId) -> StoreResult<Option<DataFlow>> {
        let row: Option<Row> = on!(self, c => sqlx::query_as(GET)
            .bind(ctx.tenant().as_str()).bind(id.as_str()).fetch_optional(c).await?);
        row.map(Row::flow).transpose()
    }

    /// Data flows that match, oldest first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn flows(
        &mut self,
        ctx: &TenantCtx,
        filter: &FlowFilter,
        page: Page,
    ) -> StoreResult<Listing<DataFlow>> {
        let tenant = ctx.tenant().as_str();
        let integration = filter.integration.as_ref().map(IntegrationId::as_str);
        let status = filter.status.map(FlowStatus::name);
        let direction = filter.direction.map(Direction::name);
        let (total,): (i64,) = on!(self, c => sqlx::query_as(COUNT)
            .bind(tenant).bind(integration).bind(status).bind(direction).fetch_one(c).await?);
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(LIST)
            .bind(tenant)
            .bind(integration)
            .bind(status)
            .bind(direction)
            .bind(i64::from(page.limit))
            .bind(i64::try_from(page.offset).unwrap_or(i64::MAX))
            .fetch_all(c)
            .await?);
        let items = rows.into_iter().map(Row::flow).collect::<StoreResult<_>>()?;
        Ok(Listing { items, total_count: u64::try_from(total).unwrap_or_default() })
    }

    /// Flows of all tenants that are due, longest due first, `limit` at most.
    ///
    /// # Errors
    /// What the database says.
    pub async fn due_flows(&mut self, now: Timestamp, limit: u32) -> StoreResult<Vec<DataFlow>> {
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(DUE)
            .bind(now.0).bind(i64::from(limit)).fetch_all(c).await?);
        rows.into_iter().map(Row::flow).collect()
    }

    /// The tenant's integrations, each with its provider.
    ///
    /// # Errors
    /// What the database says.
    pub async fn integration_providers(
        &mut self,
        ctx: &TenantCtx,
    ) -> StoreResult<Vec<(IntegrationId, String)>> {
        let rows: Vec<(String, String)> = on!(self, c => sqlx::query_as(INTEGRATIONS)
            .bind(ctx.tenant().as_str()).fetch_all(c).await?);
        Ok(rows.into_iter().map(|(id, provider)| (IntegrationId::trusted(id), provider)).collect())
    }

    /// When the next flow of any tenant is due.
    ///
    /// # Errors
    /// What the database says.
    pub async fn next_flow_due(&mut self) -> StoreResult<Option<Timestamp>> {
        let (due,): (Option<i64>,) = on!(self, c => sqlx::query_as(NEXT_DUE).fetch_one(c).await?);
        Ok(due.map(Timestamp))
    }
}
