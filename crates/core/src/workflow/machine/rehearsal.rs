//! What a test changes about a run, and what it learns from it. A run that is no test has neither.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Interp, RunError, data::EnvId, frame::End, without_attempts};
use crate::{
    run::Failure,
    workflow::program::{Node, Op, Program},
};

/// How a step ends in a test instead of doing what it says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pin {
    /// Well, with this output.
    Output(Value),
    /// Badly.
    Error(PinnedError),
}

/// The error of a pinned step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinnedError {
    /// Its code; `failed` when left out.
    #[serde(default = "failed")]
    pub code: String,
    /// What it says.
    #[serde(default)]
    pub message: String,
}

fn failed() -> String {
    "failed".to_owned()
}

impl Pin {
    /// The outcome a step gets.
    pub fn outcome(&self) -> Result<Value, Failure> {
        match self {
            Self::Output(output) => Ok(output.clone()),
            Self::Error(PinnedError { code, message }) => Err(Failure {
                code: code.clone(),
                message: message.clone(),
                transient: false,
                retry_after: None,
            }),
        }
    }
}

/// One turn of a loop around a step that is tested alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Iteration {
    /// The item.
    pub item: Value,
    /// Its position, from 0.
    pub index: usize,
}

/// What a test changes about a run.
#[derive(Debug, Default)]
pub(in crate::workflow) struct Rehearsal {
    /// Outcomes by path or by id.
    pub pins: BTreeMap<String, Pin>,
    /// The path or id of the step after which the run ends.
    pub until: Option<String>,
    /// The step that is run alone; pins are what it sees of the others.
    pub alone: Option<Alone>,
    /// Variables, over those of the definition.
    pub vars: Map<String, Value>,
    trace: Vec<Traced>,
    places: BTreeMap<String, usize>,
}

/// The surroundings of a step that is run alone.
#[derive(Debug, Default)]
pub(in crate::workflow) struct Alone {
    /// The loops around it with their own names for their items, the outermost first.
    pub loops: Vec<(Iteration, Option<Box<str>>)>,
}

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It has begun and not ended.
    Waiting,
    /// It ended well.
    Completed,
    /// It ended badly.
    Failed,
    /// It was left out.
    Skipped,
    /// It was stopped before it ended.
    Stopped,
}

/// A step in the order of beginning.
#[derive(Clone, Debug)]
pub(in crate::workflow) struct Traced {
    pub path: String,
    pub id: String,
    pub name: String,
    pub kind: &'static str,
    pub fate: Fate,
    /// Which way it went, of those that choose one.
    pub took: Option<String>,
    pub output: Option<Value>,
    pub error: Option<Failure>,
    /// Whether its pinned outcome was taken without beginning it.
    pub pinned: bool,
}

/// The value of a map of steps for a path: its own, or that of the step whatever the iteration.
pub(in crate::workflow) fn of_step<'m, T>(
    map: &'m BTreeMap<String, T>,
    path: &str,
) -> Option<&'m T> {
    let plain = without_attempts(path);
    let named = map.get(path).or_else(|| map.get(&*plain));
    named.or_else(|| map.get(plain.rsplit('.').next()?))
}

impl Rehearsal {
    /// A test with these pins and variables.
    pub fn new(pins: BTreeMap<String, Pin>, vars: Map<String, Value>) -> Self {
        Self { pins, vars, ..Self::default() }
    }

    /// The steps, in the order of beginning.
    pub fn trace(&self) -> &[Traced] {
        &self.trace
    }

    fn entry(&mut self, path: &str, node: &Node) -> &mut Traced {
        let next = self.trace.len();
        let place = *self.places.entry(path.to_owned()).or_insert(next);
        if place == next {
            self.trace.push(Traced {
                path: path.to_owned(),
                id: node.id.as_ref().into(),
                name: node.name.as_ref().into(),
                kind: node.op.kind(),
                fate: Fate::Waiting,
                took: None,
                output: None,
                error: None,
                pinned: false,
            });
        }
        &mut self.trace[place]
    }

    fn ends_after(&self, path: &str, id: &str) -> bool {
        self.until.as_deref().is_some_and(|until| until == path || until == id)
    }
}

impl Interp {
    /// A run that is a test.
    pub(in crate::workflow) fn rehearse(
        program: std::sync::Arc<Program>,
        input: Value,
        rehearsal: Rehearsal,
    ) -> Self {
        let vars = rehearsal.vars.clone();
        let mut interp = Self::new(program, input);
        interp.data.set_vars(&Value::Object(vars));
        interp.rehearsal = Some(Box::new(rehearsal));
        interp
    }

    /// What the test has learnt so far.
    pub(in crate::workflow) fn traced(&self) -> &[Traced] {
        self.rehearsal.as_ref().map_or(&[], |rehearsal| rehearsal.trace())
    }

    /// The place in which the first step begins. A step that is run alone finds there what the
    /// others are said to have made, and the items of the loops around it.
    pub(super) fn surroundings(&mut self) -> Result<EnvId, RunError> {
        let Some(rehearsal) = &self.rehearsal else { return Ok(0) };
        let Some(Alone { loops }) = &rehearsal.alone else { return Ok(0) };
        for (path, pin) in &rehearsal.pins {
            self.data.record(0, path, &pin.outcome().map_err(RunError::from))?;
        }
        let mut env = 0;
        for (Iteration { item, index }, alias) in loops {
            env = self.data.open(env, String::new(), item.clone(), *index, alias.clone());
        }
        Ok(env)
    }

    /// Notes that a step begins. Its outcome, where that is pinned and nothing outside is asked.
    pub(super) fn rehearsed(&mut self, path: &str, node: &Node) -> Option<Result<Value, RunError>> {
        let rehearsal = self.rehearsal.as_mut()?;
        let pin = of_step(&rehearsal.pins, path).cloned();
        let entry = rehearsal.entry(path, node);
        // What is asked of a driver is answered by it, so that what it is asked shows.
        if matches!(node.op, Op::Action(_) | Op::Workflow { .. }) {
            return None;
        }
        let pin = pin?;
        entry.pinned = true;
        Some(pin.outcome().map_err(RunError::from))
    }

    /// Notes which way a step goes.
    pub(super) fn took(&mut self, path: &str, way: impl FnOnce() -> String) {
        let Some(rehearsal) = self.rehearsal.as_mut() else { return };
        // A further attempt is told of where the first one is.
        let own = path.rsplit_once('#').map_or(path, |(own, _)| own);
        let place = rehearsal.places.get(own);
        if let Some(entry) = place.and_then(|at| rehearsal.trace.get_mut(*at)) {
            entry.took = Some(way());
        }
    }

    /// Notes that a step was left out.
    pub(super) fn left_out(&mut self, path: &str, node: &Node) {
        if let Some(rehearsal) = self.rehearsal.as_mut() {
            rehearsal.entry(path, node).fate = Fate::Skipped;
        }
        self.end_after(path, node);
    }

    /// Notes how a step ended.
    pub(super) fn note_end(&mut self, path: &str, node: &Node, outcome: &Result<Value, RunError>) {
        let Some(rehearsal) = self.rehearsal.as_mut() else { return };
        let entry = rehearsal.entry(path, node);
        match outcome {
            Ok(output) => {
                entry.fate = Fate::Completed;
                entry.output = Some(output.clone());
            }
            Err(error) => {
                entry.fate = Fate::Failed;
                entry.error = Some(error.failure.clone());
            }
        }
    }

    /// Ends the run if this was the last step that was wanted. Whether it was.
    pub(super) fn end_after(&mut self, path: &str, node: &Node) -> bool {
        let is_last = self.rehearsal.as_ref().is_some_and(|all| all.ends_after(path, &node.id));
        if is_last {
            self.end(End::Complete(Value::Null));
        }
        is_last
    }
}
