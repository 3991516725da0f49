//! Workflows.

pub mod complete_definition;
pub mod completions;
pub mod create;
pub mod delete;
pub mod delete_endpoint;
pub mod diff;
mod endpoint;
pub mod execute;
pub mod executions;
pub mod export;
pub mod get;
pub mod get_endpoint;
pub mod get_version;
pub mod import;
pub mod list;
pub mod list_versions;
pub mod publish_version;
pub mod put_endpoint;
pub mod save_version;
pub mod schema;
pub mod test;
pub mod test_definition;
pub mod trial;
pub mod update;
mod version_view;

use axum::{
    Json,
    http::header,
    response::{IntoResponse, Response},
};
use connectus_core::{
    Error, Result, TenantCtx, WorkflowId,
    access::Permission::{WorkflowsRead, WorkflowsRun, WorkflowsWrite},
    run::WorkflowStatus,
};
use connectus_engine::{triggers, workflows};
use connectus_store::workflows::WorkflowRow;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use self::version_view::VersionView;
use crate::{
    app::App,
    http::{Access::Needs, Operation, etag, operation::operations},
};

pub(super) fn operations() -> Vec<Operation> {
    operations! {
        "workflows.list" = list, Needs(WorkflowsRead), aliases ["/integrations/workflows"];
        "workflows.create" = create, Needs(WorkflowsWrite), aliases ["/integrations/workflows"];
        "workflows.get" = get, Needs(WorkflowsRead), aliases ["/integrations/workflows/{id}"];
        "workflows.update" = update, Needs(WorkflowsWrite),
            aliases ["/integrations/workflows/{id}"];
        "workflows.delete" = delete, Needs(WorkflowsWrite),
            aliases ["/integrations/workflows/{id}"];
        "workflows.execute" = execute, Needs(WorkflowsRun),
            aliases ["/integrations/workflows/{id}/execute"];
        "workflows.executions" = executions, Needs(WorkflowsRead),
            aliases ["/integrations/workflows/{id}/executions"];
        "workflows.test" = test, Needs(WorkflowsRun);
        "workflows.test_definition" = test_definition, Needs(WorkflowsWrite);
        "workflows.completions" = completions, Needs(WorkflowsRead);
        "workflows.complete_definition" = complete_definition, Needs(WorkflowsWrite);
        "workflows.schema" = schema, Needs(WorkflowsRead);
        "workflows.import" = import, Needs(WorkflowsWrite);
        "workflows.export" = export, Needs(WorkflowsRead);
        "workflows.list_versions" = list_versions, Needs(WorkflowsRead);
        "workflows.save_version" = save_version, Needs(WorkflowsWrite);
        "workflows.get_version" = get_version, Needs(WorkflowsRead);
        "workflows.publish_version" = publish_version, Needs(WorkflowsWrite);
        "workflows.diff" = diff, Needs(WorkflowsRead);
        "workflows.get_endpoint" = get_endpoint, Needs(WorkflowsRead);
        "workflows.put_endpoint" = put_endpoint, Needs(WorkflowsWrite);
        "workflows.delete_endpoint" = delete_endpoint, Needs(WorkflowsWrite);
    }
}

/// A workflow.
#[derive(Serialize, ToSchema)]
pub struct WorkflowView {
    /// Identifier.
    #[schema(example = "wf_01k6t2c8x9v3f5g7h2j4m6n8p0")]
    id: String,
    /// The integration whose events trigger it; null when any may.
    integration: Option<String>,
    /// Display name.
    #[schema(example = "New Lead Alert")]
    name: String,
    /// `manual`, `webhook`, `schedule`, `condition`, `event` or `workflow`.
    #[schema(example = "webhook")]
    trigger_type: String,
    /// Particulars of the trigger.
    #[schema(value_type = Object)]
    trigger_config: Value,
    /// The actions in the short form; empty when it was written as a definition.
    #[schema(value_type = Vec<Object>)]
    actions: Value,
    /// When the trigger counts, in the short form.
    #[schema(value_type = Object)]
    conditions: Value,
    /// `draft`, `active`, `paused` or `error`.
    status: &'static str,
    /// Runs ended.
    execution_count: u64,
    /// Runs ended well.
    success_count: u64,
    /// When its schedule fires next.
    next_due_at: Option<String>,
    /// The graph that it means, as runs execute it.
    #[schema(value_type = Object)]
    #[serde(skip_serializing_if = "Option::is_none")]
    definition: Option<Value>,
    /// What a `condition` trigger saw last.
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<SeenView>,
    /// In answer to publishing: the tests that fail against what is live now.
    #[serde(skip_serializing_if = "Option::is_none")]
    failing_tests: Option<Vec<String>>,
    /// The content hash that new runs pin.
    definition_hash: String,
    /// Who made it.
    created_by: Option<String>,
    /// When it was made.
    created_at: String,
    /// When it last changed.
    updated_at: String,
    /// Counts changes; also the `ETag`.
    version: u64,
}

impl WorkflowView {
    /// Shows a workflow, with its definition where that was read.
    pub(super) fn of(row: WorkflowRow, definition: Option<Value>) -> Self {
        Self {
            id: row.id.to_string(),
            integration: row.integration_id.map(|id| id.to_string()),
            name: row.name,
            trigger_type: row.trigger_type,
            trigger_config: row.trigger_config,
            actions: row.actions,
            conditions: row.conditions,
            status: row.status.name(),
            execution_count: row.execution_count,
            success_count: row.success_count,
            next_due_at: row.next_due_at.map(|at| at.to_string()),
            definition,
            condition: None,
            failing_tests: None,
            definition_hash: row.definition_hash,
            created_by: row.created_by.map(|id| id.to_string()),
            created_at: row.created_at.to_string(),
            updated_at: row.updated_at.to_string(),
            version: row.version,
        }
    }
}

/// What a `condition` trigger saw last.
#[derive(Serialize, ToSchema)]
pub struct SeenView {
    /// When it was last looked.
    looked_at: Option<String>,
    /// For how many records the expression held.
    holding: usize,
    /// What was wrong; the first record whose expression could not be evaluated, for one.
    problem: Option<String>,
}

/// A workflow as an answer, with its `ETag`.
async fn answer(app: &App, ctx: &TenantCtx, row: WorkflowRow) -> Result<Response> {
    answer_with(app, ctx, row, None).await
}

/// The same, with the tests that fail.
async fn answer_with(
    app: &App,
    ctx: &TenantCtx,
    row: WorkflowRow,
    failing_tests: Option<Vec<String>>,
) -> Result<Response> {
    let definition = workflows::definition(&app.engine_parts, ctx, &row).await?;
    let seen = triggers::seen(&app.engine_parts, ctx, &row.id).await?;
    let tag = [(header::ETAG, etag::of(row.version))];
    let mut view = WorkflowView::of(row, Some(definition));
    view.failing_tests = failing_tests;
    view.condition = seen.map(|seen| SeenView {
        looked_at: seen.looked_at.map(|at| at.to_string()),
        holding: seen.holding,
        problem: seen.problem,
    });
    Ok((tag, Json(view)).into_response())
}

/// The workflow that a path names.
pub(super) async fn named(app: &App, ctx: &TenantCtx, id: &str) -> Result<WorkflowRow> {
    let id = WorkflowId::parse(id).ok_or_else(|| Error::not_found("workflow"))?;
    workflows::find(&app.engine_parts, ctx, &id).await
}

/// The number of a version, as a path names it.
fn number(text: &str) -> Result<u64> {
    text.parse().map_err(|_| Error::not_found("version"))
}

fn status(text: Option<&str>) -> Result<Option<WorkflowStatus>> {
    text.map(str::parse).transpose()
}
