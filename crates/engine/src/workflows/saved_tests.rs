//! Tests that are kept: made of a recorded run or of a test that went as it should, and run again
//! before a change goes live. They reach nothing outside: what is not pinned is not performed.

use connectus_core::{
    Code, Error, Page, Result, RunId, TenantCtx, WorkflowTestId,
    difference::Difference,
    page::Listing,
    run::{Failure, Run, RunStatus},
    workflow::{
        Pin, PinnedError, Program,
        trial::{Expected, How, Plan, Report, recorded},
    },
};
use connectus_store::{workflow_tests::WorkflowTest, workflows::WorkflowRow};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::trials::{self, Reality, Which};
use crate::{actions, history::History, parts::Parts};

/// Most tests of a workflow.
pub const MAX_TESTS: u32 = 100;
/// Largest test, in bytes of JSON.
pub const MAX_TEST_BYTES: usize = 1024 * 1024;
/// Longest name of a test, in characters.
const MAX_NAME_CHARS: usize = 100;
/// The version of what is stored.
const VERSION: u32 = 1;

/// What is stored of a plan or an expectation.
#[derive(Serialize, Deserialize)]
struct Stored<T> {
    v: u32,
    #[serde(flatten)]
    what: T,
}

fn stored<T: Serialize>(what: T) -> Result<Value> {
    serde_json::to_value(Stored { v: VERSION, what }).map_err(Error::internal)
}

fn read<T: DeserializeOwned>(value: &Value) -> Result<T> {
    let mut value = value.clone();
    let version = value.as_object_mut().and_then(|members| members.remove("v"));
    if version != Some(VERSION.into()) {
        let cause = format!("a test of version {version:?}; this program reads {VERSION}");
        return Err(Error::internal(cause));
    }
    serde_json::from_value(value).map_err(Error::internal)
}

/// What a kept test is made of.
#[derive(Clone, Debug)]
pub enum Source {
    /// A recorded run.
    Run(Box<Run>),
    /// A test of the live definition.
    Plan(Box<Plan>),
}

/// How a kept test went.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The test.
    pub test: WorkflowTest,
    /// Where what was found differs: `left` is expected, `right` was found. Empty: it passed.
    pub differences: Vec<Difference>,
    /// What was found; nothing when the step that it is about is gone.
    pub report: Option<Report>,
}

impl Verdict {
    /// Whether it passed.
    pub fn passed(&self) -> bool {
        self.differences.is_empty()
    }
}

/// Keeps a test of a workflow.
///
/// # Errors
/// `conflict` for a name that is taken, a run that has not ended or was stopped, and one too many;
/// `too_large`.
pub async fn save(
    parts: &Parts,
    ctx: &TenantCtx,
    workflow: &WorkflowRow,
    name: &str,
    source: Source,
) -> Result<WorkflowTest> {
    if !(1..=MAX_NAME_CHARS).contains(&name.trim().chars().count()) {
        return Err(Error::invalid("name", format!("must be 1 to {MAX_NAME_CHARS} characters")));
    }
    let (plan, program, run) = match source {
        Source::Run(run) => {
            let (plan, program) = of_run(parts, ctx, workflow, &run).await?;
            (plan, program, Some(run.id))
        }
        Source::Plan(plan) => {
            let plan = settled(parts, ctx, workflow, *plan).await?;
            (plan, Which::Live.read(parts, ctx, workflow).await?, None)
        }
    };
    let report = replay(parts, ctx, workflow, program, plan.clone()).await?;
    let (plan, expected) = (stored(&plan)?, stored(Expected::of(&report))?);
    if plan.to_string().len() + expected.to_string().len() > MAX_TEST_BYTES {
        let detail = format!("The test would be larger than {MAX_TEST_BYTES} bytes.");
        return Err(Error::new(Code::TooLarge, detail));
    }
    let now = parts.env().now();
    let test = WorkflowTest {
        id: parts.env().id(),
        name: name.trim().to_owned(),
        run,
        plan,
        expected,
        created_by: ctx.actor().user().cloned(),
        created_at: now,
        updated_at: now,
    };
    insert(parts, ctx, workflow, test).await
}

async fn insert(
    parts: &Parts,
    ctx: &TenantCtx,
    workflow: &WorkflowRow,
    test: WorkflowTest,
) -> Result<WorkflowTest> {
    let (ctx, id) = (ctx.clone(), workflow.id.clone());
    parts
        .store
        .write(move |tx| {
            Box::pin(async move {
                let page = Page { limit: 1, offset: 0 };
                let before = tx.workflow_tests(&ctx, &id, page).await?.total_count;
                if before >= u64::from(MAX_TESTS) {
                    let detail = format!("A workflow has at most {MAX_TESTS} tests.");
                    return Err(Error::new(Code::Conflict, detail).with("limit", MAX_TESTS));
                }
                if !tx.insert_workflow_test(&ctx, &id, &test).await? {
                    let detail = "The workflow has a test of this name already.";
                    return Err(Error::new(Code::Conflict, detail));
                }
                let detail = json!({ "test": test.id, "name": test.name, "run": test.run });
                tx.audit(&ctx, "workflow.test_saved", id.as_str(), detail).await?;
                Ok(test)
            })
        })
        .await
}

/// A plan that pins what a test of it found outside.
async fn settled(
    parts: &Parts,
    ctx: &TenantCtx,
    workflow: &WorkflowRow,
    mut plan: Plan,
) -> Result<Plan> {
    plan.at.get_or_insert_with(|| parts.env().now());
    let program = Which::Live.read(parts, ctx, workflow).await?;
    let id = Some(&workflow.id);
    let report = trials::test(parts, ctx, id, program, plan.clone(), Reality::Reads).await?;
    let found = report.steps.into_iter().filter(|step| step.calls.is_some());
    for step in found.filter(|step| !matches!(step.how, How::Pinned | How::Evaluated)) {
        let pin = match (step.error, step.output) {
            (Some(Failure { code, message, .. }), _) => Pin::Error(PinnedError { code, message }),
            (None, output) => Pin::Output(output.unwrap_or_default()),
        };
        plan.pinned.insert(step.path, pin);
    }
    Ok(plan)
}

/// The plan that repeats a run, and what the run ran.
async fn of_run(
    parts: &Parts,
    ctx: &TenantCtx,
    workflow: &WorkflowRow,
    run: &Run,
) -> Result<(Plan, Program)> {
    if run.subject_id != workflow.id.as_str() {
        return Err(Error::not_found("run of this workflow"));
    }
    if !matches!(run.status, RunStatus::Completed | RunStatus::Failed) {
        let detail = "Only a run that completed or failed can become a test; this one has not \
                      ended, or somebody stopped it.";
        return Err(Error::new(Code::Conflict, detail));
    }
    let history = History::read(parts, ctx, run.clone()).await?;
    let (input, entries) = history.told();
    let plan = recorded(history.program(), input, entries, actions::is_pure);
    let definition = history.program().definition().as_ref().clone();
    Ok((plan, Program::compile(definition)?))
}

async fn replay(
    parts: &Parts,
    ctx: &TenantCtx,
    workflow: &WorkflowRow,
    program: Program,
    plan: Plan,
) -> Result<Report> {
    trials::play(parts, ctx, Some(&workflow.id), program, plan, Reality::Closed).await
}

/// Runs a test against a definition.
///
/// # Errors
/// What the database says, `timeout`. A definition that no longer has the step a test is about
/// fails the test.
pub async fn run(
    parts: &Parts,
    ctx: &TenantCtx,
    workflow: &WorkflowRow,
    test: WorkflowTest,
    which: &Which,
) -> Result<Verdict> {
    let program = which.read(parts, ctx, workflow).await?;
    let (plan, expected): (Plan, Expected) = (read(&test.plan)?, read(&test.expected)?);
    match replay(parts, ctx, workflow, program, plan.clone()).await {
        Ok(report) => {
            let differences = expected.differences(&Expected::of(&report));
            Ok(Verdict { test, differences, report: Some(report) })
        }
        // The step that it is about is gone.
        Err(error) if error.code == Code::Invalid => {
            let left = plan.scope.step().map(Value::from);
            let differences = vec![Difference { path: "/scope".to_owned(), left, right: None }];
            Ok(Verdict { test, differences, report: None })
        }
        Err(error) => Err(error),
    }
}

/// Runs all tests of a workflow against a definition.
///
/// # Errors
/// As [`run`].
pub async fn run_all(
    parts: &Parts,
    ctx: &TenantCtx,
    workflow: &WorkflowRow,
    which: &Which,
) -> Result<Vec<Verdict>> {
    let page = Page { limit: MAX_TESTS, offset: 0 };
    let mut verdicts = Vec::new();
    for test in list(parts, ctx, workflow, page).await?.items {
        verdicts.push(run(parts, ctx, workflow, test, which).await?);
    }
    Ok(verdicts)
}

/// The names of the tests that fail against a definition.
///
/// # Errors
/// As [`run`].
pub async fn failing(
    parts: &Parts,
    ctx: &TenantCtx,
    workflow: &WorkflowRow,
    which: &Which,
) -> Result<Vec<String>> {
    let verdicts = run_all(parts, ctx, workflow, which).await?;
    let failed = verdicts.into_iter().filter(|verdict| !verdict.passed());
    Ok(failed.map(|verdict| verdict.test.name).collect())
}

/// Refuses a definition that fails tests.
///
/// # Errors
/// `conflict` naming them.
pub fn require(failed: &[String]) -> Result<()> {
    if failed.is_empty() {
        return Ok(());
    }
    let detail = format!(
        "{} of the workflow's tests fail against this version: {}. Nothing was published.",
        failed.len(),
        failed.join(", ")
    );
    Err(Error::new(Code::Conflict, detail).with("failing_tests", failed.to_vec()))
}

/// Takes what a test found now as what it expects from now on.
///
/// # Errors
/// `not_found` when the test is gone, `conflict` when the step is that it is about.
pub async fn accept(
    parts: &Parts,
    ctx: &TenantCtx,
    workflow: &WorkflowRow,
    verdict: &Verdict,
) -> Result<()> {
    let gone = || {
        let detail = "The step that the test is about is gone: delete the test.";
        Error::new(Code::Conflict, detail)
    };
    let expected = stored(Expected::of(verdict.report.as_ref().ok_or_else(gone)?))?;
    let (ctx, of, id) = (ctx.clone(), workflow.id.clone(), verdict.test.id.clone());
    parts
        .store
        .write(move |tx| {
            Box::pin(async move {
                if !tx.set_workflow_test_expected(&ctx, &of, &id, &expected).await? {
                    return Err(Error::not_found("test"));
                }
                let detail = json!({ "test": id });
                tx.audit(&ctx, "workflow.test_accepted", of.as_str(), detail).await
            })
        })
        .await
}

/// The tests of a workflow by name, one page of them.
///
/// # Errors
/// What the database says.
pub async fn list(
    parts: &Parts,
    ctx: &TenantCtx,
    workflow: &WorkflowRow,
    page: Page,
) -> Result<Listing<WorkflowTest>> {
    Ok(parts.store.read().await?.workflow_tests(ctx, &workflow.id, page).await?)
}

/// A test of a workflow.
///
/// # Errors
/// `not_found`.
pub async fn find(
    parts: &Parts,
    ctx: &TenantCtx,
    workflow: &WorkflowRow,
    id: &WorkflowTestId,
) -> Result<WorkflowTest> {
    let found = parts.store.read().await?.workflow_test(ctx, &workflow.id, id).await?;
    found.ok_or_else(|| Error::not_found("test"))
}

/// Forgets a test.
///
/// # Errors
/// `not_found`.
pub async fn delete(
    parts: &Parts,
    ctx: &TenantCtx,
    workflow: &WorkflowRow,
    id: &WorkflowTestId,
) -> Result<()> {
    let (ctx, of, id) = (ctx.clone(), workflow.id.clone(), id.clone());
    parts
        .store
        .write(move |tx| {
            Box::pin(async move {
                if !tx.delete_workflow_test(&ctx, &of, &id).await? {
                    return Err(Error::not_found("test"));
                }
                let detail = json!({ "test": id });
                tx.audit(&ctx, "workflow.test_deleted", of.as_str(), detail).await
            })
        })
        .await
}

/// The run that a test is to be made of.
///
/// # Errors
/// `not_found`.
pub async fn source(parts: &Parts, ctx: &TenantCtx, run: &str) -> Result<Source> {
    let unknown = || Error::not_found("run");
    let id = RunId::parse(run).ok_or_else(unknown)?;
    let run = parts.store.read().await?.run(ctx, &id).await?.ok_or_else(unknown)?;
    Ok(Source::Run(Box::new(run)))
}
