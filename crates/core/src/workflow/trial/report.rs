//! What a test found out.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use super::{How, Note, Scope, Trial, What, fault, plan};
use crate::{
    Timestamp,
    run::Failure,
    workflow::{Cmd, Fate, RunError, machine::Traced},
};

/// What a test found out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// How it ended.
    pub status: Status,
    /// What the run gave back, or the step up to which it went.
    pub output: Option<Value>,
    /// Why it failed.
    pub error: Option<RunError>,
    /// Where in the definition, as a JSON pointer.
    pub error_at: Option<String>,
    /// Its steps, in the order of beginning; undoings come last.
    pub steps: Vec<StepReport>,
    /// Steps of the definition that were not reached.
    pub not_reached: Vec<String>,
    /// When it began, by its own clock.
    pub started_at: Timestamp,
    /// When it ended, by its own clock: waits have passed.
    pub ended_at: Timestamp,
}

/// How a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The run, or the step, completed.
    Completed,
    /// It failed.
    Failed,
    /// It waits for what was not given.
    Waiting,
    /// The run would start over, with the output as its input.
    Restarted,
}

impl Status {
    /// The status as text.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Waiting => "waiting",
            Self::Restarted => "restarted",
        }
    }
}

/// What became of a step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepReport {
    /// Its path: `notify`, `each[2].notify`, `keep:undo`.
    pub path: String,
    /// Its id in the definition.
    pub step: String,
    /// What people call it.
    pub name: String,
    /// Its type.
    pub kind: &'static str,
    /// Where it stands in the definition, as a JSON pointer.
    pub place: Option<String>,
    /// What became of it.
    pub status: Fate,
    /// How that came.
    pub how: How,
    /// Which way it went: `then`, `else`, `cases/0`, `default`, `3 items`.
    pub took: Option<String>,
    /// The action, or the workflow.
    pub calls: Option<String>,
    /// The integration that it names.
    pub connection: Option<String>,
    /// What it was given, with all expressions filled in.
    pub input: Option<Value>,
    /// What it gave.
    pub output: Option<Value>,
    /// Why it failed.
    pub error: Option<Failure>,
    /// The text of the definition that failed, as a JSON pointer.
    pub error_at: Option<String>,
    /// What it waited for.
    pub wait: Option<WaitReport>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What a step waited for.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct WaitReport {
    /// A signal of this name.
    pub signal: Option<String>,
    /// A person: `message` and `approvers`.
    pub asks: Option<Value>,
    /// A time, by the test's clock.
    pub until: Option<Timestamp>,
}

impl Trial {
    /// What was found out.
    pub fn report(&self) -> Report {
        let places = fault::places(self.program.definition());
        let place = |id: &str| places.get(id).cloned();
        let mut steps: Vec<StepReport> = self
            .interp
            .traced()
            .iter()
            .map(|traced| self.step(traced, place(&traced.id)))
            .collect();
        steps.extend(self.undone.iter().filter_map(|path| {
            let id = plan::id_of(path);
            self.undoing(path, place(id))
        }));
        self.add_hints(&mut steps);
        let met: BTreeSet<&str> = steps.iter().map(|step| step.step.as_str()).collect();
        let all = self.program.definition().walk();
        let not_reached = match self.plan.scope {
            Scope::Step(_) => Vec::new(),
            _ => {
                let unmet = all.iter().filter(|step| !met.contains(step.id.as_str()));
                unmet.map(|step| step.id.clone()).collect()
            }
        };
        let (status, output, error) = self.ending(&steps);
        let error_at = error.as_ref().and_then(|error: &RunError| {
            let step = error.step.as_deref().map(plan::id_of);
            fault::of(self.program.definition(), step, &error.failure).or_else(|| place(step?))
        });
        Report {
            status,
            output,
            error,
            error_at,
            not_reached,
            steps,
            started_at: self.plan.at.unwrap_or(self.began),
            ended_at: self.clock,
        }
    }

    /// How it ended, as far as was wanted.
    fn ending(&self, steps: &[StepReport]) -> (Status, Option<Value>, Option<RunError>) {
        let last = match &self.plan.scope {
            Scope::Until(wanted) => steps.iter().find(|step| {
                (step.path == *wanted || step.step == *wanted) && step.status != Fate::Waiting
            }),
            _ => None,
        };
        match (&self.end, last) {
            (None, _) => (Status::Waiting, None, None),
            (Some(Cmd::Complete(_)), Some(last)) => match &last.error {
                None => (Status::Completed, last.output.clone(), None),
                Some(error) => {
                    let mut error = RunError::from(error.clone());
                    error.step = Some(last.path.clone());
                    (Status::Failed, None, Some(error))
                }
            },
            (Some(Cmd::Complete(output)), None) => (Status::Completed, Some(output.clone()), None),
            (Some(Cmd::ContinueAs(input)), _) => (Status::Restarted, Some(input.clone()), None),
            (Some(Cmd::Fail(error)), _) => (Status::Failed, None, Some(error.clone())),
            (Some(_), _) => (Status::Waiting, None, None),
        }
    }

    fn step(&self, traced: &Traced, place: Option<String>) -> StepReport {
        let note = self.notes.get(&traced.path);
        let mut report = described(note, &traced.path, place);
        report.step.clone_from(&traced.id);
        report.name.clone_from(&traced.name);
        report.kind = traced.kind;
        report.status = match traced.fate {
            Fate::Waiting if self.end.is_some() => Fate::Stopped,
            fate => fate,
        };
        report.took.clone_from(&traced.took);
        report.output.clone_from(&traced.output);
        report.error.clone_from(&traced.error);
        if traced.pinned {
            report.how = How::Pinned;
        }
        report.error_at = traced
            .error
            .as_ref()
            .and_then(|error| fault::of(self.program.definition(), Some(&traced.id), error));
        if report.status == Fate::Waiting {
            report.hint = waits(&report);
        }
        report
    }

    fn undoing(&self, path: &str, place: Option<String>) -> Option<StepReport> {
        let note = self.notes.get(path)?;
        let mut report = described(Some(note), path, place.map(|at| format!("{at}/compensate")));
        report.status = match &note.outcome {
            None => Fate::Waiting,
            Some(Ok(_)) => Fate::Completed,
            Some(Err(_)) => Fate::Failed,
        };
        report.output = note.outcome.clone().and_then(Result::ok);
        report.error = note.outcome.clone().and_then(Result::err);
        Some(report)
    }

    /// What a step that was not performed spoils for later ones.
    fn add_hints(&self, steps: &mut [StepReport]) {
        let missing: Vec<String> = steps
            .iter()
            .filter(|step| step.how == How::NotPerformed && step.status == Fate::Completed)
            .map(|step| step.step.clone())
            .collect();
        for step in steps.iter_mut() {
            if step.how == How::NotPerformed && step.status == Fate::Completed {
                let what = step.calls.as_deref().unwrap_or("it");
                step.hint = Some(format!(
                    "`{what}` was not performed: pin an output, or test with `perform`."
                ));
            }
            let message = step.error.as_ref().map_or("", |error| error.message.as_str());
            let spoilt = missing.iter().find(|id| message.contains(&format!("steps.{id}.")));
            if let Some(id) = spoilt {
                step.hint = Some(format!(
                    "Step `{id}` was not performed, so it has no output: pin one, or test with \
                     `perform`."
                ));
            }
        }
    }
}

/// What a note says of a step.
fn described(note: Option<&Note>, path: &str, place: Option<String>) -> StepReport {
    let call = note.and_then(|note| note.call.as_ref());
    let (calls, connection) = match call.map(|call| &call.what) {
        Some(What::Action(action, connection)) => (Some(action.clone()), connection.clone()),
        Some(What::Workflow(workflow)) => (Some(workflow.clone()), None),
        None => (None, None),
    };
    StepReport {
        path: path.to_owned(),
        step: plan::id_of(path).to_owned(),
        name: call.map_or_else(|| path.to_owned(), |call| call.name.clone()),
        kind: "action",
        place,
        status: Fate::Waiting,
        how: note.and_then(|note| note.how).unwrap_or(How::Evaluated),
        took: None,
        calls,
        connection,
        input: call.map(|call| call.input.clone()),
        output: None,
        error: None,
        error_at: None,
        wait: note.and_then(|note| note.wait.clone()),
        hint: None,
    }
}

/// What to give to a step that still waits.
fn waits(report: &StepReport) -> Option<String> {
    let wait = report.wait.as_ref()?;
    Some(match &wait.signal {
        Some(signal) => format!("It waits for the signal `{signal}`: give it in `signals`."),
        None => format!("It waits for a decision: give it in `approvals`, as `{}`.", report.path),
    })
}
