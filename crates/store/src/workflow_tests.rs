//! Tests of workflows that are kept.

use connectus_core::page::Listing;
use connectus_core::{Page, RunId, TenantCtx, Timestamp, UserId, WorkflowId, WorkflowTestId};
use serde_json::Value;
use sqlx::FromRow;

use crate::{
    conn::{Conn, Tx},
    error::StoreResult,
    sql::{on, sql},
};

macro_rules! columns {
    () => {
        "id, name, run_id, plan, expected, created_by, created_at, updated_at"
    };
}

sql! {
    INSERT = "INSERT INTO workflow_tests (tenant_id, workflow_id, id, name, run_id, plan, \
              expected, created_by, created_at, updated_at) \
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9) \
              ON CONFLICT (tenant_id, workflow_id, name) DO NOTHING";
    EXPECT = "UPDATE workflow_tests SET expected = $4, updated_at = $5 \
              WHERE tenant_id = $1 AND workflow_id = $2 AND id = $3";
    DELETE = "DELETE FROM workflow_tests WHERE tenant_id = $1 AND workflow_id = $2 AND id = $3";
    GET = concat!("SELECT ", columns!(), " FROM workflow_tests \
                   WHERE tenant_id = $1 AND workflow_id = $2 AND id = $3");
    LIST = concat!("SELECT ", columns!(), " FROM workflow_tests \
                    WHERE tenant_id = $1 AND workflow_id = $2 ORDER BY name, id \
                    LIMIT $3 OFFSET $4");
    COUNT = "SELECT count(*) FROM workflow_tests WHERE tenant_id = $1 AND workflow_id = $2";
}

/// A test of a workflow.
#[derive(Clone, Debug)]
pub struct WorkflowTest {
    /// Identifier.
    pub id: WorkflowTestId,
    /// What it is called; no two tests of a workflow have the same name.
    pub name: String,
    /// The run it was made of.
    pub run: Option<RunId>,
    /// What is done, versioned.
    pub plan: Value,
    /// What should come of it, versioned.
    pub expected: Value,
    /// Who made it.
    pub created_by: Option<UserId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When what is expected last changed.
    pub updated_at: Timestamp,
}

#[derive(FromRow)]
struct Row {
    id: String,
    name: String,
    run_id: Option<String>,
    plan: String,
    expected: String,
    created_by: Option<String>,
    created_at: i64,
    updated_at: i64,
}

impl Row {
    fn test(self) -> StoreResult<WorkflowTest> {
        Ok(WorkflowTest {
            id: WorkflowTestId::trusted(self.id),
            name: self.name,
            run: self.run_id.map(RunId::trusted),
            plan: serde_json::from_str(&self.plan)?,
            expected: serde_json::from_str(&self.expected)?,
            created_by: self.created_by.map(UserId::trusted),
            created_at: Timestamp(self.created_at),
            updated_at: Timestamp(self.updated_at),
        })
    }
}

impl Tx {
    /// Keeps a test. `false` when the workflow has one of this name.
    ///
    /// # Errors
    /// What the database says.
    pub async fn insert_workflow_test(
        &mut self,
        ctx: &TenantCtx,
        workflow: &WorkflowId,
        test: &WorkflowTest,
    ) -> StoreResult<bool> {
        let inserted = on!(self, c => sqlx::query(INSERT)
            .bind(ctx.tenant().as_str())
            .bind(workflow.as_str())
            .bind(test.id.as_str())
            .bind(&test.name)
            .bind(test.run.as_ref().map(RunId::as_str))
            .bind(test.plan.to_string())
            .bind(test.expected.to_string())
            .bind(test.created_by.as_ref().map(UserId::as_str))
            .bind(test.created_at.0)
            .execute(c)
            .await?
            .rows_affected());
        Ok(inserted > 0)
    }

    /// Changes what a test expects. `false` when there is no such test.
    ///
    /// # Errors
    /// What the database says.
    pub async fn set_workflow_test_expected(
        &mut self,
        ctx: &TenantCtx,
        workflow: &WorkflowId,
        id: &WorkflowTestId,
        expected: &Value,
    ) -> StoreResult<bool> {
        let now = self.env.now().0;
        let changed = on!(self, c => sqlx::query(EXPECT)
            .bind(ctx.tenant().as_str()).bind(workflow.as_str()).bind(id.as_str())
            .bind(expected.to_string()).bind(now)
            .execute(c).await?.rows_affected());
        Ok(changed > 0)
    }

    /// Forgets a test. `false` when there is none.
    ///
    /// # Errors
    /// What the database says.
    pub async fn delete_workflow_test(
        &mut self,
        ctx: &TenantCtx,
        workflow: &WorkflowId,
        id: &WorkflowTestId,
    ) -> StoreResult<bool> {
        let deleted = on!(self, c => sqlx::query(DELETE)
            .bind(ctx.tenant().as_str()).bind(workflow.as_str()).bind(id.as_str())
            .execute(c).await?.rows_affected());
        Ok(deleted > 0)
    }
}

impl Conn {
    /// A test of a workflow.
    ///
    /// # Errors
    /// What the database says.
    pub async fn workflow_test(
        &mut self,
        ctx: &TenantCtx,
        workflow: &WorkflowId,
        id: &WorkflowTestId,
    ) -> StoreResult<Option<WorkflowTest>> {
        let row: Option<Row> = on!(self, c => sqlx::query_as(GET)
            .bind(ctx.tenant().as_str()).bind(workflow.as_str()).bind(id.as_str())
            .fetch_optional(c).await?);
        row.map(Row::test).transpose()
    }

    /// The tests of a workflow by name, one page of them.
    ///
    /// # Errors
    /// What the database says.
    pub async fn workflow_tests(
        &mut self,
        ctx: &TenantCtx,
        workflow: &WorkflowId,
        page: Page,
    ) -> StoreResult<Listing<WorkflowTest>> {
        let (tenant, workflow) = (ctx.tenant().as_str(), workflow.as_str());
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(LIST)
            .bind(tenant).bind(workflow).bind(i64::from(page.limit))
            .bind(i64::try_from(page.offset).unwrap_or(i64::MAX))
            .fetch_all(c).await?);
        let total: i64 = on!(self, c => sqlx::query_scalar(COUNT)
            .bind(tenant).bind(workflow).fetch_one(c).await?);
        Ok(Listing {
            items: rows.into_iter().map(Row::test).collect::<StoreResult<_>>()?,
            total_count: u64::try_from(total).unwrap_or_default(),
        })
    }
}
