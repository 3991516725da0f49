//! Versions of workflows: immutable, one of them live.

use connectus_core::{IntegrationId, TenantCtx, Timestamp, UserId, WorkflowId};
use serde_json::Value;
use sqlx::FromRow;

use crate::{
    conn::{Conn, Tx},
    error::StoreResult,
    sql::{on, sql},
};

macro_rules! columns {
    () => {
        "number, definition_hash, integration_id, actions, conditions, note, live, created_by, \
         created_at, published_at"
    };
}

sql! {
    INSERT = "INSERT INTO workflow_versions (tenant_id, workflow_id, number, definition_hash, \
              integration_id, actions, conditions, note, created_by, created_at) \
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    LIVE = "UPDATE workflow_versions SET live = (number = $3), \
            published_at = CASE WHEN number = $3 THEN $4 ELSE published_at END \
            WHERE tenant_id = $1 AND workflow_id = $2";
    GET = concat!("SELECT ", columns!(), " FROM workflow_versions \
                   WHERE tenant_id = $1 AND workflow_id = $2 AND number = $3");
    LIST = concat!("SELECT ", columns!(), " FROM workflow_versions \
                    WHERE tenant_id = $1 AND workflow_id = $2 ORDER BY number DESC LIMIT $3");
    // Numbers are never used twice, so the newest one tells how many there were.
    FORGET = "DELETE FROM workflow_versions WHERE tenant_id = $1 AND workflow_id = $2 \
              AND number <= $3 AND live = FALSE";
}

/// Versions of one workflow that are kept, besides the live one.
pub const MAX_VERSIONS: u32 = 500;

/// A version of a workflow.
#[derive(Clone, Debug)]
pub struct WorkflowVersion {
    /// Its number, from 1.
    pub number: u64,
    /// Its definition, by content.
    pub definition_hash: String,
    /// The integration whose events trigger it.
    pub integration_id: Option<IntegrationId>,
    /// The actions in the short form; empty when it was written as a definition.
    pub actions: Value,
    /// When the trigger counts, in the short form.
    pub conditions: Value,
    /// What its author says about it.
    pub note: String,
    /// Whether new runs pin it.
    pub live: bool,
    /// Who made it.
    pub created_by: Option<UserId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last went live.
    pub published_at: Option<Timestamp>,
}

#[derive(FromRow)]
struct Row {
    number: i64,
    definition_hash: String,
    integration_id: Option<String>,
    actions: String,
    conditions: String,
    note: String,
    live: bool,
    created_by: Option<String>,
    created_at: i64,
    published_at: Option<i64>,
}

impl Row {
    fn version(self) -> StoreResult<WorkflowVersion> {
        Ok(WorkflowVersion {
            number: u64::try_from(self.number).unwrap_or_default(),
            definition_hash: self.definition_hash,
            integration_id: self.integration_id.map(IntegrationId::trusted),
            actions: serde_json::from_str(&self.actions)?,
            conditions: serde_json::from_str(&self.conditions)?,
            note: self.note,
            live: self.live,
            created_by: self.created_by.map(UserId::trusted),
            created_at: Timestamp(self.created_at),
            published_at: self.published_at.map(Timestamp),
        })
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Tx {
    /// Adds a version and forgets the oldest beyond [`MAX_VERSIONS`]. It is not live.
    ///
    /// # Errors
    /// `conflict` when there is one of its number.
    pub async fn insert_workflow_version(
        &mut self,
        ctx: &TenantCtx,
        workflow: &WorkflowId,
        version: &WorkflowVersion,
    ) -> StoreResult<()> {
        let (tenant, id) = (ctx.tenant().as_str(), workflow.as_str());
        on!(self, c => sqlx::query(INSERT)
            .bind(tenant)
            .bind(id)
            .bind(signed(version.number))
            .bind(&version.definition_hash)
            .bind(version.integration_id.as_ref().map(IntegrationId::as_str))
            .bind(version.actions.to_string())
            .bind(version.conditions.to_string())
            .bind(&version.note)
            .bind(version.created_by.as_ref().map(UserId::as_str))
            .bind(version.created_at.0)
            .execute(c)
            .await
            .map(drop)?);
        let oldest = signed(version.number) - i64::from(MAX_VERSIONS);
        if oldest > 0 {
            on!(self, c => sqlx::query(FORGET).bind(tenant).bind(id).bind(oldest)
                .execute(c).await.map(drop)?);
        }
        Ok(())
    }

    /// Lets a version be the live one, and no other.
    ///
    /// # Errors
    /// What the database says.
    pub async fn set_live_version(
        &mut self,
        ctx: &TenantCtx,
        workflow: &WorkflowId,
        number: u64,
    ) -> StoreResult<()> {
        let now = self.env.now().0;
        on!(self, c => sqlx::query(LIVE)
            .bind(ctx.tenant().as_str()).bind(workflow.as_str()).bind(signed(number)).bind(now)
            .execute(c).await.map(drop)?);
        Ok(())
    }
}

impl Conn {
    /// A version of a workflow.
    ///
    /// # Errors
    /// What the database says.
    pub async fn workflow_version(
        &mut self,
        ctx: &TenantCtx,
        workflow: &WorkflowId,
        number: u64,
    ) -> StoreResult<Option<WorkflowVersion>> {
        let row: Option<Row> = on!(self, c => sqlx::query_as(GET)
            .bind(ctx.tenant().as_str()).bind(workflow.as_str()).bind(signed(number))
            .fetch_optional(c).await?);
        row.map(Row::version).transpose()
    }

    /// The versions of a workflow, newest first, `limit` at most.
    ///
    /// # Errors
    /// What the database says.
    pub async fn workflow_versions(
        &mut self,
        ctx: &TenantCtx,
        workflow: &WorkflowId,
        limit: u32,
    ) -> StoreResult<Vec<WorkflowVersion>> {
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(LIST)
            .bind(ctx.tenant().as_str()).bind(workflow.as_str()).bind(i64::from(limit))
            .fetch_all(c).await?);
        rows.into_iter().map(Row::version).collect()
    }
}
