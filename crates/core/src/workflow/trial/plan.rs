//! What a test is to do.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Error, Result, Timestamp,
    error::FieldError,
    workflow::{Definition, Iteration, Kind, Step, machine::Pin},
};

/// What a test is to do. Everything has a default: the whole workflow with an empty input.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plan {
    /// What expressions see as `trigger`.
    pub input: Value,
    /// How much of the workflow.
    pub scope: Scope,
    /// Outcomes by step: by its id, or by its path for one turn of a loop.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub pinned: BTreeMap<String, Pin>,
    /// Signals by name, taken in their order.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub signals: BTreeMap<String, Vec<Value>>,
    /// Answers to approvals, by step.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub approvals: BTreeMap<String, Decision>,
    /// Variables, over those of the definition.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub vars: Map<String, Value>,
    /// The turns of the loops around a step that is tested alone, by the loop's id.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub loops: BTreeMap<String, Iteration>,
    /// In which order things happened; what is not named comes after.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub order: Vec<Cue>,
    /// When the run begins; by default now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// What expressions see as `run.seed`.
    pub seed: u64,
    /// What expressions see as `run.generation`.
    #[serde(skip_serializing_if = "is_first")]
    pub generation: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_first(generation: &u32) -> bool {
    *generation == 0
}

/// How much of a workflow is tested.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// All of it.
    #[default]
    Whole,
    /// One step alone. Pinned outcomes are what it sees of the others.
    Step(String),
    /// From the beginning until this step has ended.
    Until(String),
}

impl Scope {
    /// The step that is named.
    pub fn step(&self) -> Option<&str> {
        match self {
            Self::Whole => None,
            Self::Step(step) | Self::Until(step) => Some(step),
        }
    }
}

/// The answer to an approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Whether the run may go on.
    pub approved: bool,
    /// Why.
    #[serde(default)]
    pub comment: String,
    /// Who says so.
    #[serde(default)]
    pub by: String,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cue {
    /// The path of the step.
    pub step: String,
    /// What it was.
    pub by: By,
}

/// What ends the waiting of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The answer of an action or another workflow.
    Answer,
    /// A signal or a person.
    Signal,
    /// Time.
    Time,
}

impl Plan {
    /// Checks that all steps it names are there.
    ///
    /// # Errors
    /// `invalid` naming every one that is not.
    pub fn check(&self, definition: &Definition) -> Result<()> {
        let known: Vec<&str> = definition.walk().iter().map(|step| step.id.as_str()).collect();
        let names = |of: &str, steps: Vec<&String>| -> Vec<FieldError> {
            let unknown = steps.into_iter().filter(|step| !known.contains(&id_of(step)));
            let fault = |step: &String| FieldError {
                field: format!("/{of}/{step}"),
                message: no_step(step, &known),
            };
            unknown.map(fault).collect()
        };
        let mut faults = names("pinned", self.pinned.keys().collect());
        faults.extend(names("approvals", self.approvals.keys().collect()));
        faults.extend(names("loops", self.loops.keys().collect()));
        if faults.is_empty() { Ok(()) } else { Err(Error::invalid_fields(faults)) }
    }
}

/// The id of the step of a path: `each[2].notify:undo` is of `notify`.
pub(super) fn id_of(path: &str) -> &str {
    let last = path.rsplit('.').next().unwrap_or(path);
    last.split([':', '[', '#']).next().unwrap_or(last)
}

pub(super) fn unknown_step(field: &str, step: &str, definition: &Definition) -> Error {
    let known: Vec<&str> = definition.walk().iter().map(|step| step.id.as_str()).collect();
    Error::invalid(format!("/{field}"), no_step(step, &known))
}

fn no_step(step: &str, known: &[&str]) -> String {
    format!("there is no step `{step}`; there is `{}`", known.join("`, `"))
}

/// The loops around a step with their own names for their items, the outermost first; `None` when
/// there is no such step.
pub(super) fn around(
    definition: &Definition,
    step: &str,
) -> Option<Vec<(String, Option<Box<str>>)>> {
    fn inside(steps: &[Step], wanted: &str, loops: &mut Vec<(String, Option<Box<str>>)>) -> bool {
        steps.iter().any(|step| {
            if step.id == wanted {
                return true;
            }
            let looped = match &step.kind {
                Kind::ForEach(each) => {
                    Some((step.id.clone(), each.r#as.as_deref().map(Into::into)))
                }
                _ => None,
            };
            let depth = loops.len();
            // What is done about an error of a loop is not inside it.
            if inside(&step.on_error, wanted, loops) {
                return true;
            }
            loops.extend(looped);
            let found = step
                .inner()
                .into_iter()
                .filter(|block| !std::ptr::eq(*block, step.on_error.as_slice()))
                .any(|block| inside(block, wanted, loops));
            if !found {
                loops.truncate(depth);
            }
            found
        })
    }
    let mut loops = Vec::new();
    inside(&definition.steps, step, &mut loops).then_some(loops)
}
