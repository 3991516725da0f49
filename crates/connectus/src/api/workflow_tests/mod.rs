//! Tests of workflows that are kept.

pub mod create;
pub mod delete;
pub mod get;
pub mod list;
pub mod run;
pub mod run_all;

use connectus_core::{
    Error, Result, TenantCtx, WorkflowTestId,
    access::Permission::{WorkflowsRead, WorkflowsRun, WorkflowsWrite},
};
use connectus_engine::workflows::saved_tests::{self, Verdict};
use connectus_store::{workflow_tests::WorkflowTest, workflows::WorkflowRow};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{runs::compare::DifferenceView, workflows::trial::ReportView};
use crate::{
    app::App,
    http::{Access::Needs, Operation, operation::operations},
};

pub(super) fn operations() -> Vec<Operation> {
    operations! {
        "workflow_tests.list" = list, Needs(WorkflowsRead);
        "workflow_tests.create" = create, Needs(WorkflowsWrite);
        "workflow_tests.get" = get, Needs(WorkflowsRead);
        "workflow_tests.delete" = delete, Needs(WorkflowsWrite);
        "workflow_tests.run" = run, Needs(WorkflowsRun);
        "workflow_tests.run_all" = run_all, Needs(WorkflowsRun);
    }
}

/// A test that is kept.
#[derive(Serialize, ToSchema)]
pub struct TestView {
    /// Identifier.
    #[schema(example = "wtest_01k6t2c8x9v3f5g7h2j4m6n8p0")]
    id: String,
    /// What it is called.
    name: String,
    /// The run it was made of.
    run: Option<String>,
    /// What is done: `input`, `scope`, `pinned`, `signals`, `approvals` and so on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    plan: Option<Value>,
    /// What should come of it: `status`, `output`, `error`, `steps` by path.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    expected: Option<Value>,
    /// Who made it.
    created_by: Option<String>,
    /// When it was made.
    created_at: String,
    /// When what it expects last changed.
    updated_at: String,
}

impl TestView {
    /// A test, with all it says or in short.
    pub fn of(test: WorkflowTest, whole: bool) -> Self {
        Self {
            id: test.id.to_string(),
            name: test.name,
            run: test.run.map(|run| run.to_string()),
            plan: whole.then_some(test.plan),
            expected: whole.then_some(test.expected),
            created_by: test.created_by.map(|by| by.to_string()),
            created_at: test.created_at.to_string(),
            updated_at: test.updated_at.to_string(),
        }
    }
}

/// How a test went.
#[derive(Serialize, ToSchema)]
pub struct VerdictView {
    /// The test.
    test: TestView,
    /// Whether it found what it expects.
    passed: bool,
    /// Where what it found differs: `left` is expected, `right` was found.
    differences: Vec<DifferenceView>,
    /// What it found; null when the step that it is about is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<ReportView>,
}

impl VerdictView {
    /// A verdict, with the report or without.
    pub fn of(verdict: Verdict, whole: bool) -> Self {
        let passed = verdict.passed();
        Self {
            test: TestView::of(verdict.test, false),
            passed,
            differences: verdict.differences.into_iter().map(DifferenceView::of).collect(),
            report: verdict.report.filter(|_| whole).map(ReportView::of),
        }
    }
}

/// The test that a path names.
async fn named(
    app: &App,
    ctx: &TenantCtx,
    workflow: &WorkflowRow,
    id: &str,
) -> Result<WorkflowTest> {
    let id = WorkflowTestId::parse(id).ok_or_else(|| Error::not_found("test"))?;
    saved_tests::find(&app.engine_parts, ctx, workflow, &id).await
}
