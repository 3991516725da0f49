//! What a test of a workflow takes and tells.

use std::collections::BTreeMap;

use connectus_core::{
    Code, Error, Result, TenantCtx, Timestamp,
    access::Permission::WorkflowsWrite,
    workflow::{
        Iteration, Pin, RunError,
        trial::{Decision, Plan, Report, Scope, StepReport},
    },
};
use connectus_engine::workflows::trials::{Reality, Which};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::api::runs::FailureView;

/// A test. Everything is optional: without anything the live definition is tested with an empty
/// input, and nothing is written.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({
    "input": { "email": "ada@example.com" },
    "pinned": { "record": { "output": { "id": "7", "email": "ada@example.com" } } }
}))]
pub struct Trial {
    /// A definition that is not saved, or the short form, instead of the live one.
    #[schema(value_type = Option<Object>)]
    definition: Option<Value>,
    /// The version to test instead of the live one.
    number: Option<u64>,
    /// What expressions see as `trigger`.
    #[schema(value_type = Object)]
    input: Value,
    /// One step to test alone; `pinned` then holds what the steps before it made.
    step: Option<String>,
    /// The step up to which to test, itself included.
    until: Option<String>,
    /// Outcomes by step, `{"output": ...}` or `{"error": {"code", "message"}}`: such a step does
    /// nothing outside. A path such as `each[2].notify` is one turn of a loop.
    #[schema(value_type = Object)]
    pinned: BTreeMap<String, Pin>,
    /// Signals by name, each a list of values in the order in which they come.
    #[schema(value_type = Object)]
    signals: BTreeMap<String, Vec<Value>>,
    /// Answers to approvals by step: `{"approved", "comment", "by"}`.
    #[schema(value_type = Object)]
    approvals: BTreeMap<String, Decision>,
    /// Variables, over those of the definition.
    #[schema(value_type = Object)]
    vars: Map<String, Value>,
    /// The turns of the loops around a step that is tested alone, by loop: `{"item", "index"}`.
    #[schema(value_type = Object)]
    loops: BTreeMap<String, Iteration>,
    /// When the run begins; by default now.
    at: Option<String>,
    /// What expressions see as `run.seed`.
    seed: u64,
    /// Whether writes are really performed. Without it only reads are.
    perform: bool,
}

impl Default for Trial {
    fn default() -> Self {
        Self {
            definition: None,
            number: None,
            input: json!({}),
            step: None,
            until: None,
            pinned: BTreeMap::new(),
            signals: BTreeMap::new(),
            approvals: BTreeMap::new(),
            vars: Map::new(),
            loops: BTreeMap::new(),
            at: None,
            seed: 0,
            perform: false,
        }
    }
}

impl Trial {
    /// Which definition, what to do, and what may happen.
    pub fn read(self) -> Result<(Which, Plan, Reality)> {
        let which = which(self.definition, self.number)?;
        let scope = match (self.step, self.until) {
            (None, None) => Scope::Whole,
            (Some(step), None) => Scope::Step(step),
            (None, Some(until)) => Scope::Until(until),
            (Some(_), Some(_)) => {
                return Err(Error::invalid("/until", "cannot stand beside `step`"));
            }
        };
        let at = self.at.as_deref().map(|at| {
            Timestamp::parse(at).ok_or_else(|| Error::invalid("/at", "must be an RFC 3339 time"))
        });
        let plan = Plan {
            input: self.input,
            scope,
            pinned: self.pinned,
            signals: self.signals,
            approvals: self.approvals,
            vars: self.vars,
            loops: self.loops,
            at: at.transpose()?,
            seed: self.seed,
            ..Plan::default()
        };
        Ok((which, plan, if self.perform { Reality::All } else { Reality::Reads }))
    }
}

/// Lets pass who may write workflows: who may only run them does what others have written.
///
/// # Errors
/// `forbidden` for all others.
pub(in crate::api) fn may_write(ctx: &TenantCtx, what: &str) -> Result<()> {
    if ctx.role().allows(WorkflowsWrite) {
        return Ok(());
    }
    let detail = format!("{what} takes the permission {}.", WorkflowsWrite.name());
    Err(Error::new(Code::Forbidden, detail))
}

/// Which definition a body names.
pub(in crate::api) fn which(definition: Option<Value>, number: Option<u64>) -> Result<Which> {
    match (definition, number) {
        (None, None) => Ok(Which::Live),
        (None, Some(number)) => Ok(Which::Version(number)),
        (Some(definition), None) => Ok(Which::Given(definition)),
        (Some(_), Some(_)) => Err(Error::invalid("/number", "cannot stand beside `definition`")),
    }
}

/// What a test found out.
#[derive(Serialize, ToSchema)]
pub struct ReportView {
    /// `completed`, `failed`, `waiting` (for what was not given) or `restarted`.
    #[schema(example = "completed")]
    status: &'static str,
    /// What the run gave, or the step up to which it went.
    #[schema(value_type = Option<Object>)]
    output: Option<Value>,
    /// Why it failed.
    error: Option<FailureView>,
    /// The step at which it failed.
    failed_step: Option<String>,
    /// Where in the definition that is, as a JSON pointer.
    #[schema(example = "/steps/1/input/text")]
    error_at: Option<String>,
    /// Its steps, in the order of beginning; undoings come last.
    steps: Vec<TrialStepView>,
    /// Paths of the steps whose call was not performed.
    not_performed: Vec<String>,
    /// Steps of the definition that were not reached.
    not_reached: Vec<String>,
    /// When it began, by its own clock.
    started_at: String,
    /// When it ended, by its own clock: waits pass at once.
    ended_at: String,
}

/// What became of a step.
#[derive(Serialize, ToSchema)]
pub struct TrialStepView {
    /// Its path.
    #[schema(example = "each[2].notify")]
    path: String,
    /// Its id in the definition.
    step: String,
    /// What people call it.
    name: String,
    /// Its type.
    #[schema(example = "action")]
    kind: &'static str,
    /// Where it stands in the definition, as a JSON pointer.
    place: Option<String>,
    /// `completed`, `failed`, `skipped`, `waiting` or `stopped`.
    #[schema(value_type = String)]
    status: Value,
    /// `evaluated`, `performed`, `simulated` (not done; what it would have given is known),
    /// `not_performed`, `pinned`, `given` or `time_passed`.
    #[schema(value_type = String)]
    how: Value,
    /// Which way it went: `then`, `else`, `cases/0`, `default`, `3 items`.
    took: Option<String>,
    /// The action, or the workflow, that it calls.
    calls: Option<String>,
    /// The integration that it names.
    connection: Option<String>,
    /// What it gives to that, all expressions filled in.
    #[schema(value_type = Option<Object>)]
    input: Option<Value>,
    /// What it gave.
    #[schema(value_type = Option<Object>)]
    output: Option<Value>,
    /// Why it failed.
    error: Option<FailureView>,
    /// The text of the definition that failed, as a JSON pointer.
    error_at: Option<String>,
    /// What it waited for: `signal`, `asks`, `until`.
    #[schema(value_type = Option<Object>)]
    wait: Option<Value>,
    /// What to do about it.
    hint: Option<String>,
}

impl ReportView {
    /// A report for callers.
    pub fn of(report: Report) -> Self {
        let unperformed = |step: &&StepReport| {
            step.hint.is_some() && step.how == connectus_core::workflow::trial::How::NotPerformed
        };
        let not_performed: Vec<String> =
            report.steps.iter().filter(unperformed).map(|step| step.path.clone()).collect();
        let (failed_step, error) = match report.error {
            Some(RunError { failure, step, .. }) => (step, Some(FailureView::of(failure))),
            None => (None, None),
        };
        Self {
            status: report.status.name(),
            output: report.output,
            error,
            failed_step,
            error_at: report.error_at,
            steps: report.steps.into_iter().map(TrialStepView::of).collect(),
            not_performed,
            not_reached: report.not_reached,
            started_at: report.started_at.to_string(),
            ended_at: report.ended_at.to_string(),
        }
    }
}

impl TrialStepView {
    fn of(step: StepReport) -> Self {
        Self {
            path: step.path,
            step: step.step,
            name: step.name,
            kind: step.kind,
            place: step.place,
            status: json!(step.status),
            how: json!(step.how),
            took: step.took,
            calls: step.calls,
            connection: step.connection,
            input: step.input,
            output: step.output,
            error: step.error.map(FailureView::of),
            error_at: step.error_at,
            wait: step.wait.map(|wait| json!(wait)),
            hint: step.hint,
        }
    }
}
