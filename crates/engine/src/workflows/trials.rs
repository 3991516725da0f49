//! Testing workflows: a test reads what it must, writes nothing unless it is told to, and leaves no
//! run.

use std::time::Duration;

use connectus_core::{
    Code, Error, Result, TenantCtx, WorkflowId,
    run::{Failure, Run, RunKind, RunStatus},
    workflow::{
        Definition, INTERP_VERSION, Program,
        trial::{Call, How, MAX_CALLS, Plan, Report, Scope, Trial, Turn, What},
        typed::accept,
    },
};
use connectus_store::workflows::WorkflowRow;
use futures::{FutureExt, future::BoxFuture};
use serde_json::{Value, json};

use super::{definition, versions};
use crate::{
    actions::{self, ActionCx, Foreseen},
    parts::Parts,
};

/// Longest a test takes as a whole. It is shorter than a request may take.
const LONGEST: Duration = Duration::from_secs(25);
/// Longest one call of a test takes.
const LONGEST_CALL: Duration = Duration::from_secs(10);
/// How deep workflows that run workflows are tested.
const DEEPEST: usize = 5;

/// What may happen outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reality {
    /// Nothing: what is not pinned is not performed.
    Closed,
    /// Reads are performed, writes are not.
    #[default]
    Reads,
    /// All is performed.
    All,
}

/// Which definition of a workflow is tested.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Which {
    /// The one that new runs pin.
    #[default]
    Live,
    /// That of a version.
    Version(u64),
    /// One that is not saved: a definition, or the short form.
    Given(Value),
}

impl Which {
    /// The definition.
    ///
    /// # Errors
    /// `not_found` for a version there is not, `invalid` for a definition with faults.
    pub async fn read(
        &self,
        parts: &Parts,
        ctx: &TenantCtx,
        workflow: &WorkflowRow,
    ) -> Result<Program> {
        let stored = match self {
            Self::Given(file) => return program_of(parts, ctx, file.clone()).await,
            Self::Live => definition(parts, ctx, workflow).await?,
            Self::Version(number) => {
                let version = versions::get(parts, ctx, workflow, *number).await?;
                versions::definition_of(parts, ctx, &version).await?
            }
        };
        Program::compile(Definition::read(&stored)?)
    }
}

/// The program of a definition, or of the short form, that is not saved.
///
/// # Errors
/// `invalid` with every fault.
pub async fn program_of(parts: &Parts, ctx: &TenantCtx, file: Value) -> Result<Program> {
    let checked = versions::draft_of_file(file)?.check(parts, ctx).await?;
    let mut conn = parts.store.read().await?;
    actions::learn(&mut conn, ctx, &checked.program).await?;
    Ok(checked.program)
}

/// Tests a definition as a run of this workflow, or of none.
///
/// # Errors
/// `invalid` for a plan that does not fit the definition; `timeout`. What goes wrong within the
/// run is part of the report.
pub async fn test(
    parts: &Parts,
    ctx: &TenantCtx,
    workflow: Option<&WorkflowId>,
    program: Program,
    plan: Plan,
    reality: Reality,
) -> Result<Report> {
    plan.check(program.definition())?;
    if !matches!(plan.scope, Scope::Step(_)) {
        accept(&program.definition().inputs, &plan.input)?;
    }
    play(parts, ctx, workflow, program, plan, reality).await
}

/// Plays a plan whether or not it fits the definition.
pub(super) async fn play(
    parts: &Parts,
    ctx: &TenantCtx,
    workflow: Option<&WorkflowId>,
    program: Program,
    plan: Plan,
    reality: Reality,
) -> Result<Report> {
    let stage = Stage { parts, ctx, run: stage_run(parts, ctx, workflow, &plan), reality };
    let whole = tokio::time::timeout(LONGEST, stage.play(program, plan, DEEPEST)).await;
    let (report, performed) = whole.map_err(|_| too_long())??;
    if reality == Reality::All && performed > 0 {
        let (ctx, subject) = (ctx.clone(), stage.run.subject_id.clone());
        let detail = json!({ "key": stage.run.id, "calls": performed, "status": report.status });
        let note = parts.store.write(move |tx| {
            Box::pin(async move { tx.audit(&ctx, "workflow.tested", &subject, detail).await })
        });
        note.await?;
    }
    Ok(report)
}

/// The run that actions of a test see. It is written nowhere.
fn stage_run(parts: &Parts, ctx: &TenantCtx, workflow: Option<&WorkflowId>, plan: &Plan) -> Run {
    let now = parts.env().now();
    Run {
        tenant: ctx.tenant().clone(),
        id: parts.env().id(),
        kind: RunKind::Workflow,
        queue: RunKind::Workflow.queue().to_owned(),
        priority: 0,
        status: RunStatus::Running,
        subject_id: workflow.map_or_else(|| "test".to_owned(), ToString::to_string),
        definition_hash: String::new(),
        interp_version: INTERP_VERSION,
        dedupe_key: None,
        trigger: "test".to_owned(),
        input: plan.input.clone().into(),
        output: None,
        error: None,
        progress: None,
        started_by: ctx.actor().label(),
        parent: None,
        origin: None,
        turnstile: None,
        attempts: 0,
        crashes: 0,
        cancel_requested: false,
        due_at: now,
        created_at: now,
        started_at: Some(now),
        finished_at: None,
    }
}

fn too_long() -> Error {
    let detail = format!(
        "The test took longer than {} seconds. Pin the outputs of the steps that are slow.",
        LONGEST.as_secs()
    );
    Error::new(Code::Timeout, detail)
}

/// Where a test takes place.
struct Stage<'p> {
    parts: &'p Parts,
    ctx: &'p TenantCtx,
    run: Run,
    reality: Reality,
}

impl Stage<'_> {
    /// Plays a test to its end: what was found, and how many calls were performed.
    fn play(
        &self,
        program: Program,
        plan: Plan,
        depth: usize,
    ) -> BoxFuture<'_, Result<(Report, usize)>> {
        async move {
            let mut trial = Trial::begin(program, plan, self.parts.env().now())?;
            let mut performed = 0;
            while let Turn::Ask(call) = trial.turn() {
                let (how, outcome) = match trial.is_spent() {
                    true => (How::NotPerformed, Err(spent())),
                    false => self.answer(&call, depth).await,
                };
                performed += usize::from(how == How::Performed);
                trial.answer(call, how, outcome);
            }
            Ok((trial.report(), performed))
        }
        .boxed()
    }

    async fn answer(&self, call: &Call, depth: usize) -> (How, Result<Value, Failure>) {
        let answered = tokio::time::timeout(LONGEST_CALL, self.perform(call, depth)).await;
        match answered {
            Ok(Ok((how, output))) => (how, Ok(output)),
            Ok(Err(error)) => (How::Performed, Err(Failure::from(&error))),
            Err(_) => {
                let secs = LONGEST_CALL.as_secs();
                let detail = format!("It did not answer within {secs} seconds; pin its output.");
                let error = Error::new(Code::Timeout, detail);
                (How::Performed, Err(Failure::from(&error)))
            }
        }
    }

    async fn perform(&self, call: &Call, depth: usize) -> Result<(How, Value)> {
        let (action, connection) = match &call.what {
            What::Workflow(name) => return self.child(name, call, depth).await,
            What::Action(action, connection) => (action, connection.as_deref()),
        };
        let key = format!("{}/{}/{}", self.run.tenant, self.run.id, call.key_suffix);
        let cx = ActionCx {
            parts: self.parts,
            ctx: self.ctx,
            run: &self.run,
            connection,
            key: &key,
            unsure: false,
        };
        let pure = actions::is_pure(action);
        match self.reality {
            Reality::Closed if !pure => Ok((How::NotPerformed, Value::Null)),
            Reality::All => {
                let output = actions::perform(&cx, action, &call.input).await?;
                Ok((How::Performed, output))
            }
            Reality::Reads | Reality::Closed => {
                Ok(match actions::foresee(&cx, action, &call.input).await? {
                    Foreseen::Read(_) if pure => (How::Evaluated, call.input.clone()),
                    Foreseen::Read(output) => (How::Performed, output),
                    Foreseen::Simulated(output) => (How::Simulated, output),
                    Foreseen::Unknown => (How::NotPerformed, Value::Null),
                })
            }
        }
    }

    /// Another workflow is tested within this test, as it is live, under the same rules.
    async fn child(&self, name: &str, call: &Call, depth: usize) -> Result<(How, Value)> {
        if self.reality != Reality::All {
            return Ok((How::NotPerformed, Value::Null));
        }
        let Some(depth) = depth.checked_sub(1) else {
            let detail = format!("Workflows that run workflows are tested {DEEPEST} deep.");
            return Err(Error::new(Code::Conflict, detail));
        };
        let workflow = super::named(self.parts, self.ctx, name).await?;
        let program = Which::Live.read(self.parts, self.ctx, &workflow).await?;
        let plan = Plan { input: call.input.clone(), ..Plan::default() };
        let (report, _) = self.play(program, plan, depth).await?;
        match (report.error, report.output) {
            (Some(error), _) => Err(Error::new(
                error.failure.known_code().unwrap_or(Code::Conflict),
                error.failure.message,
            )),
            (None, Some(output)) => Ok((How::Performed, output)),
            (None, None) => {
                let detail = format!("`{name}` waits for a signal or a person; pin its output.");
                Err(Error::new(Code::Conflict, detail))
            }
        }
    }
}

fn spent() -> Failure {
    let detail = format!("A test makes at most {MAX_CALLS} calls; pin outputs.");
    Failure::from(&Error::new(Code::QuotaExceeded, detail))
}
