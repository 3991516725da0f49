//! Addresses of workflows' own, with the sealed secrets that verify a call.

use connectus_core::{EndpointId, TenantCtx, Timestamp, WorkflowId};
use sqlx::FromRow;

use crate::{
    conn::{Conn, Tx},
    error::StoreResult,
    rotation::Rotation,
    seal::Place,
    sql::{on, sql},
};

macro_rules! columns {
    () => {
        "id, workflow_id, sealed, previous, previous_until, created_at, updated_at"
    };
}

sql! {
    INSERT = "INSERT INTO workflow_endpoints (tenant_id, id, workflow_id, sealed, created_at, \
              updated_at) VALUES ($1, $2, $3, $4, $5, $5) \
              ON CONFLICT (tenant_id, workflow_id) DO NOTHING";
    ROTATE = "UPDATE workflow_endpoints SET sealed = $3, previous = $4, previous_until = $5, \
              updated_at = $6 WHERE tenant_id = $1 AND id = $2 AND sealed = $7";
    GET = concat!("SELECT ", columns!(), " FROM workflow_endpoints \
                   WHERE tenant_id = $1 AND id = $2");
    OF_WORKFLOW = concat!("SELECT ", columns!(), " FROM workflow_endpoints \
                           WHERE tenant_id = $1 AND workflow_id = $2");
    DELETE = "DELETE FROM workflow_endpoints WHERE tenant_id = $1 AND workflow_id = $2";
}

/// An address of a workflow's own.
#[derive(Clone, Debug)]
pub struct WorkflowEndpoint {
    /// Identifier, the last part of the address. Random, so that nobody guesses it.
    pub id: EndpointId,
    /// The workflow that a call starts.
    pub workflow: WorkflowId,
    /// The sealed secret.
    pub sealed: String,
    /// The sealed secret before it, and until when it counts.
    pub previous: Option<(String, Timestamp)>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its secret last changed.
    pub updated_at: Timestamp,
}

impl WorkflowEndpoint {
    /// The place its secret is sealed for.
    pub fn place(id: &EndpointId) -> Place<'_> {
        Place { table: "workflow_endpoints", row: id.as_str(), column: "sealed" }
    }

    /// The place the secret before it is sealed for.
    pub fn previous_place(id: &EndpointId) -> Place<'_> {
        Place { table: "workflow_endpoints", row: id.as_str(), column: "previous" }
    }
}

#[derive(FromRow)]
struct Row {
    id: String,
    workflow_id: String,
    sealed: String,
    previous: Option<String>,
    previous_until: Option<i64>,
    created_at: i64,
    updated_at: i64,
}

impl From<Row> for WorkflowEndpoint {
    fn from(row: Row) -> Self {
        Self {
            id: EndpointId::trusted(row.id),
            workflow: WorkflowId::trusted(row.workflow_id),
            sealed: row.sealed,
            previous: row.previous.zip(row.previous_until.map(Timestamp)),
            created_at: Timestamp(row.created_at),
            updated_at: Timestamp(row.updated_at),
        }
    }
}

impl Conn {
    /// The endpoint of an address.
    ///
    /// # Errors
    /// What the database says.
    pub async fn workflow_endpoint(
        &mut self,
        ctx: &TenantCtx,
        id: &EndpointId,
    ) -> StoreResult<Option<WorkflowEndpoint>> {
        let row: Option<Row> = on!(self, c => sqlx::query_as(GET)
            .bind(ctx.tenant().as_str()).bind(id.as_str()).fetch_optional(c).await?);
        Ok(row.map(WorkflowEndpoint::from))
    }

    /// The endpoint of a workflow.
    ///
    /// # Errors
    /// What the database says.
    pub async fn endpoint_of_workflow(
        &mut self,
        ctx: &TenantCtx,
        workflow: &WorkflowId,
    ) -> StoreResult<Option<WorkflowEndpoint>> {
        let row: Option<Row> = on!(self, c => sqlx::query_as(OF_WORKFLOW)
            .bind(ctx.tenant().as_str()).bind(workflow.as_str()).fetch_optional(c).await?);
        Ok(row.map(WorkflowEndpoint::from))
    }
}

impl Tx {
    /// Adds a workflow's endpoint. False when it has one.
    ///
    /// # Errors
    /// `not_found` when the workflow is not the tenant's.
    pub async fn insert_workflow_endpoint(
        &mut self,
        ctx: &TenantCtx,
        endpoint: &WorkflowEndpoint,
    ) -> StoreResult<bool> {
        let inserted = on!(self, c => sqlx::query(INSERT)
            .bind(ctx.tenant().as_str())
            .bind(endpoint.id.as_str())
            .bind(endpoint.workflow.as_str())
            .bind(&endpoint.sealed)
            .bind(endpoint.created_at.0)
            .execute(c)
            .await?
            .rows_affected());
        Ok(inserted == 1)
    }

    /// Puts a secret in place of the present one. False when another one came between.
    ///
    /// # Errors
    /// What the database says.
    pub async fn rotate_workflow_endpoint(
        &mut self,
        ctx: &TenantCtx,
        endpoint: &EndpointId,
        rotation: Rotation<'_>,
    ) -> StoreResult<bool> {
        self.rotate(ROTATE, ctx, endpoint.as_str(), rotation).await
    }

    /// Takes a workflow's address away. False when it has none.
    ///
    /// # Errors
    /// What the database says.
    pub async fn delete_workflow_endpoint(
        &mut self,
        ctx: &TenantCtx,
        workflow: &WorkflowId,
    ) -> StoreResult<bool> {
        let deleted = on!(self, c => sqlx::query(DELETE)
            .bind(ctx.tenant().as_str()).bind(workflow.as_str())
            .execute(c).await?.rows_affected());
        Ok(deleted == 1)
    }
}
