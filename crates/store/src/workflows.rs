//! Workflows and their immutable definitions.

use std::collections::BTreeMap;

use connectus_core::{
    IntegrationId, Page, TenantCtx, TenantId, Timestamp, UserId, WorkflowId, page::Listing,
    run::WorkflowStatus, workflow::Concurrency,
};
use serde::Serialize;
use serde_json::Value;
use sqlx::FromRow;

use crate::{
    conn::{Conn, Tx},
    error::StoreResult,
    rows::Cell,
    sql::{on, rows, sql},
};

macro_rules! columns {
    () => {
        "tenant_id, id, integration_id, name, trigger_type, trigger_config, actions, conditions, \
         status, definition_hash, execution_count, success_count, next_due_at, created_by, \
         created_at, updated_at, version, queue, priority, concurrency"
    };
}

sql! {
    INSERT = "INSERT INTO workflows (tenant_id, id, integration_id, name, trigger_type, \
              trigger_config, actions, conditions, status, definition_hash, next_due_at, \
              created_by, created_at, updated_at, queue, priority, concurrency) VALUES ($1, $2, \
              $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13, $14, $15, $16)";
    UPDATE = "UPDATE workflows SET integration_id = $3, name = $4, trigger_type = $5, \
              trigger_config = $6, actions = $7, conditions = $8, status = $9, \
              definition_hash = $10, next_due_at = $11, updated_at = $12, version = version + 1, \
              queue = $14, priority = $15, concurrency = $16 \
              WHERE tenant_id = $1 AND id = $2 AND version = $13";
    DELETE = "DELETE FROM workflows WHERE tenant_id = $1 AND id = $2";
    GET = concat!("SELECT ", columns!(), " FROM workflows WHERE tenant_id = $1 AND id = $2");
    BY_NAME = concat!("SELECT ", columns!(), " FROM workflows WHERE tenant_id = $1 AND name = $2 \
                       ORDER BY created_at LIMIT 1");
    LIST = concat!(
        "SELECT ", columns!(), " FROM workflows WHERE tenant_id = $1 \
         AND (CAST($2 AS TEXT) IS NULL OR status = $2) \
         AND (CAST($3 AS TEXT) IS NULL OR integration_id = $3) \
         ORDER BY created_at, id LIMIT $4 OFFSET $5");
    COUNT = "SELECT COUNT(*) FROM workflows WHERE tenant_id = $1 \
             AND (CAST($2 AS TEXT) IS NULL OR status = $2) \
             AND (CAST($3 AS TEXT) IS NULL OR integration_id = $3)";
    TRIGGERED = concat!(
        "SELECT ", columns!(), " FROM workflows \
         WHERE tenant_id = $1 AND trigger_type = $2 AND status = 'active' ORDER BY id");
    DUE = concat!(
        "SELECT ", columns!(), " FROM workflows \
         WHERE status = 'active' AND trigger_type = $1 AND next_due_at <= $2 \
         ORDER BY next_due_at LIMIT $3");
    NEXT_DUE = "SELECT MIN(next_due_at) FROM workflows \
                WHERE status = 'active' AND trigger_type = $1";
    MOVE_DUE = "UPDATE workflows SET next_due_at = $3 \
                WHERE tenant_id = $1 AND id = $2 AND next_due_at = $4";
    BREAK = "UPDATE workflows SET status = 'error', next_due_at = NULL, updated_at = $3, \
             version = version + 1 WHERE tenant_id = $1 AND id = $2";
    PUT_DEFINITION = "INSERT INTO workflow_definitions (tenant_id, hash, definition, created_at) \
                      VALUES ($1, $2, $3, $4) ON CONFLICT (tenant_id, hash) DO NOTHING";
    DEFINITION = "SELECT definition FROM workflow_definitions WHERE tenant_id = $1 AND hash = $2";
}

rows! {
    COUNT_EXECUTIONS = "UPDATE workflows SET execution_count = execution_count + v.column3, \
                        success_count = success_count + v.column4 FROM (", "ttii", ") AS v \
                        WHERE tenant_id = v.column1 AND id = v.column2";
}

/// A workflow as stored: the form it was written in, and the definition that it means.
#[derive(Clone, Debug, Serialize)]
pub struct WorkflowRow {
    /// Whose it is.
    pub tenant: TenantId,
    /// Identifier.
    pub id: WorkflowId,
    /// The integration whose events trigger it.
    pub integration_id: Option<IntegrationId>,
    /// Display name.
    pub name: String,
    /// `webhook`, `schedule`, `manual`...
    pub trigger_type: String,
    /// Particulars of the trigger.
    pub trigger_config: Value,
    /// The actions in the short form, or the steps.
    pub actions: Value,
    /// When the trigger counts.
    pub conditions: Value,
    /// Where it stands.
    pub status: WorkflowStatus,
    /// The definition that new runs pin.
    pub definition_hash: String,
    /// Runs ended.
    pub execution_count: u64,
    /// Runs ended well.
    pub success_count: u64,
    /// When a schedule fires next.
    pub next_due_at: Option<Timestamp>,
    /// Who made it.
    pub created_by: Option<UserId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Counts changes, for `ETag`.
    pub version: u64,
    /// The queue that new runs wait in.
    pub queue: String,
    /// Their head start in it.
    pub priority: i64,
    /// How many may be under way at once.
    pub concurrency: Option<Concurrency>,
}

impl WorkflowRow {
    fn concurrency_text(&self) -> StoreResult<Option<String>> {
        Ok(self.concurrency.as_ref().map(serde_json::to_string).transpose()?)
    }
}

#[derive(FromRow)]
struct Row {
    tenant_id: String,
    id: String,
    integration_id: Option<String>,
    name: String,
    trigger_type: String,
    trigger_config: String,
    actions: String,
    conditions: String,
    status: String,
    definition_hash: String,
    execution_count: i64,
    success_count: i64,
    next_due_at: Option<i64>,
    created_by: Option<String>,
    created_at: i64,
    updated_at: i64,
    version: i64,
    queue: String,
    priority: i64,
    concurrency: Option<String>,
}

impl Row {
    fn workflow(self) -> StoreResult<WorkflowRow> {
        let count = |n: i64| u64::try_from(n).unwrap_or_default();
        Ok(WorkflowRow {
            tenant: TenantId::trusted(self.tenant_id),
            id: WorkflowId::trusted(self.id),
            integration_id: self.integration_id.map(IntegrationId::trusted),
            name: self.name,
            trigger_type: self.trigger_type,
            trigger_config: serde_json::from_str(&self.trigger_config)?,
            actions: serde_json::from_str(&self.actions)?,
            conditions: serde_json::from_str(&self.conditions)?,
            status: self.status.parse()?,
            definition_hash: self.definition_hash,
            execution_count: count(self.execution_count),
            success_count: count(self.success_count),
            next_due_at: self.next_due_at.map(Timestamp),
            created_by: self.created_by.map(UserId::trusted),
            created_at: Timestamp(self.created_at),
            updated_at: Timestamp(self.updated_at),
            version: count(self.version),
            queue: self.queue,
            priority: self.priority,
            concurrency: self.concurrency.map(|text| serde_json::from_str(&text)).transpose()?,
        })
    }
}

impl Tx {
    /// Adds a workflow.
    ///
    /// # Errors
    /// `not_found` when its integration is not the tenant's.
    pub async fn insert_workflow(&mut self, workflow: &WorkflowRow) -> StoreResult<()> {
        let concurrency = workflow.concurrency_text()?;
        on!(self, c => sqlx::query(INSERT)
            .bind(workflow.tenant.as_str())
            .bind(workflow.id.as_str())
            .bind(workflow.integration_id.as_ref().map(IntegrationId::as_str))
            .bind(&workflow.name)
            .bind(&workflow.trigger_type)
            .bind(workflow.trigger_config.to_string())
            .bind(workflow.actions.to_string())
            .bind(workflow.conditions.to_string())
            .bind(workflow.status.name())
            .bind(&workflow.definition_hash)
            .bind(workflow.next_due_at.map(|at| at.0))
            .bind(workflow.created_by.as_ref().map(UserId::as_str))
            .bind(workflow.created_at.0)
            .bind(&workflow.queue)
            .bind(workflow.priority)
            .bind(concurrency.as_deref())
            .execute(c)
            .await
            .map(drop)?);
        Ok(())
    }

    /// Replaces a workflow whose version is still the one that was read. False when it is not.
    ///
    /// # Errors
    /// What the database says.
    pub async fn update_workflow(&mut self, workflow: &WorkflowRow) -> StoreResult<bool> {
        let (now, concurrency) = (self.env.now().0, workflow.concurrency_text()?);
        let touched = on!(self, c => sqlx::query(UPDATE)
            .bind(workflow.tenant.as_str())
            .bind(workflow.id.as_str())
            .bind(workflow.integration_id.as_ref().map(IntegrationId::as_str))
            .bind(&workflow.name)
            .bind(&workflow.trigger_type)
            .bind(workflow.trigger_config.to_string())
            .bind(workflow.actions.to_string())
            .bind(workflow.conditions.to_string())
            .bind(workflow.status.name())
            .bind(&workflow.definition_hash)
            .bind(workflow.next_due_at.map(|at| at.0))
            .bind(now)
            .bind(i64::try_from(workflow.version).unwrap_or_default())
            .bind(&workflow.queue)
            .bind(workflow.priority)
            .bind(concurrency.as_deref())
            .execute(c)
            .await?
            .rows_affected());
        Ok(touched == 1)
    }

    /// Removes a workflow. Its runs stay. False when there is none.
    ///
    /// # Errors
    /// What the database says.
    pub async fn delete_workflow(&mut self, ctx: &TenantCtx, id: &WorkflowId) -> StoreResult<bool> {
        let touched = on!(self, c => sqlx::query(DELETE)
            .bind(ctx.tenant().as_str()).bind(id.as_str()).execute(c).await?.rows_affected());
        Ok(touched == 1)
    }

    /// Counts executions that have ended, by workflow and whether they ended well.
    ///
    /// # Errors
    /// What the database says.
    pub async fn count_executions(
        &mut self,
        ended: impl IntoIterator<Item = (&TenantId, &str, bool)>,
    ) -> StoreResult<()> {
        // In one order, so that two transactions never wait for each other.
        let mut counts: BTreeMap<(&str, &str), (i64, i64)> = BTreeMap::new();
        for (tenant, workflow, success) in ended {
            let (all, well) = counts.entry((tenant.as_str(), workflow)).or_default();
            *all += 1;
            *well += i64::from(success);
        }
        let cells: Vec<Cell<'_>> = counts
            .into_iter()
            .flat_map(|((tenant, workflow), (all, well))| {
                [Cell::Text(tenant), Cell::Text(workflow), Cell::Int(all), Cell::Int(well)]
            })
            .collect();
        self.with_rows(&COUNT_EXECUTIONS, &cells).await
    }

    /// Plans when a schedule fires next, if it is still planned for `slot`. False when someone
    /// else moved it first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn move_workflow_due(
        &mut self,
        ctx: &TenantCtx,
        id: &WorkflowId,
        slot: Timestamp,
        next: Option<Timestamp>,
    ) -> StoreResult<bool> {
        let touched = on!(self, c => sqlx::query(MOVE_DUE)
            .bind(ctx.tenant().as_str()).bind(id.as_str()).bind(next.map(|at| at.0)).bind(slot.0)
            .execute(c).await?.rows_affected());
        Ok(touched == 1)
    }

    /// Marks a workflow as one that cannot run until someone mends it.
    ///
    /// # Errors
    /// What the database says.
    pub async fn break_workflow(&mut self, ctx: &TenantCtx, id: &WorkflowId) -> StoreResult<()> {
        let now = self.env.now().0;
        on!(self, c => sqlx::query(BREAK)
            .bind(ctx.tenant().as_str()).bind(id.as_str()).bind(now)
            .execute(c).await.map(drop)?);
        Ok(())
    }

    /// Keeps a definition under its content hash. Keeping it twice changes nothing.
    ///
    /// # Errors
    /// What the database says.
    pub async fn put_definition(
        &mut self,
        ctx: &TenantCtx,
        hash: &str,
        definition: &str,
    ) -> StoreResult<()> {
        let now = self.env.now().0;
        on!(self, c => sqlx::query(PUT_DEFINITION)
            .bind(ctx.tenant().as_str()).bind(hash).bind(definition).bind(now)
            .execute(c).await.map(drop)?);
        Ok(())
    }
}

impl Conn {
    /// A workflow.
    ///
    /// # Errors
    /// What the database says.
    pub async fn workflow(
        &mut self,
        ctx: &TenantCtx,
        id: &WorkflowId,
    ) -> StoreResult<Option<WorkflowRow>> {
        let row: Option<Row> = on!(self, c => sqlx::query_as(GET)
            .bind(ctx.tenant().as_str()).bind(id.as_str()).fetch_optional(c).await?);
        row.map(Row::workflow).transpose()
    }

    /// The oldest workflow of a name.
    ///
    /// # Errors
    /// What the database says.
    pub async fn workflow_by_name(
        &mut self,
        ctx: &TenantCtx,
        name: &str,
    ) -> StoreResult<Option<WorkflowRow>> {
        let row: Option<Row> = on!(self, c => sqlx::query_as(BY_NAME)
            .bind(ctx.tenant().as_str()).bind(name).fetch_optional(c).await?);
        row.map(Row::workflow).transpose()
    }

    /// Workflows that match, oldest first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn workflows(
        &mut self,
        ctx: &TenantCtx,
        status: Option<WorkflowStatus>,
        integration: Option<&IntegrationId>,
        page: Page,
    ) -> StoreResult<Listing<WorkflowRow>> {
        let tenant = ctx.tenant().as_str();
        let status = status.map(WorkflowStatus::name);
        let integration = integration.map(IntegrationId::as_str);
        let (total,): (i64,) = on!(self, c => sqlx::query_as(COUNT)
            .bind(tenant).bind(status).bind(integration).fetch_one(c).await?);
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(LIST)
            .bind(tenant)
            .bind(status)
            .bind(integration)
            .bind(i64::from(page.limit))
            .bind(i64::try_from(page.offset).unwrap_or(i64::MAX))
            .fetch_all(c)
            .await?);
        let items = rows.into_iter().map(Row::workflow).collect::<StoreResult<_>>()?;
        Ok(Listing { items, total_count: u64::try_from(total).unwrap_or_default() })
    }

    /// Active workflows with a kind of trigger.
    ///
    /// # Errors
    /// What the database says.
    pub async fn triggered_workflows(
        &mut self,
        ctx: &TenantCtx,
        trigger_type: &str,
    ) -> StoreResult<Vec<WorkflowRow>> {
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(TRIGGERED)
            .bind(ctx.tenant().as_str()).bind(trigger_type).fetch_all(c).await?);
        rows.into_iter().map(Row::workflow).collect()
    }

    /// Workflows of all tenants with a kind of trigger that are due.
    ///
    /// # Errors
    /// What the database says.
    pub async fn due_workflows(
        &mut self,
        trigger_type: &str,
        now: Timestamp,
        limit: u32,
    ) -> StoreResult<Vec<WorkflowRow>> {
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(DUE)
            .bind(trigger_type).bind(now.0).bind(i64::from(limit)).fetch_all(c).await?);
        rows.into_iter().map(Row::workflow).collect()
    }

    /// When the next workflow with a kind of trigger is due.
    ///
    /// # Errors
    /// What the database says.
    pub async fn next_workflow_due(
        &mut self,
        trigger_type: &str,
    ) -> StoreResult<Option<Timestamp>> {
        let (due,): (Option<i64>,) = on!(self, c => sqlx::query_as(NEXT_DUE)
            .bind(trigger_type).fetch_one(c).await?);
        Ok(due.map(Timestamp))
    }

    /// A definition by its content hash.
    ///
    /// # Errors
    /// `not_found` when it was never kept.
    pub async fn definition(&mut self, ctx: &TenantCtx, hash: &str) -> StoreResult<String> {
        let (text,): (String,) = on!(self, c => sqlx::query_as(DEFINITION)
            .bind(ctx.tenant().as_str()).bind(hash).fetch_one(c).await?);
        Ok(text)
    }
}
