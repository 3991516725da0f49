//! What a workflow is, as people write, store and exchange it.

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Map, Value};

use super::{Call, Concurrency, Kind, RetryPolicy, Span, read, typed::Fields};
use crate::{
    Result,
    canonical::{self, Digest},
    named::named,
    queue,
};

/// The version of the form described here.
pub const DEFINITION_VERSION: u32 = 1;

/// A workflow definition. Read it with [`Definition::read`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Definition {
    /// The form's version, [`DEFINITION_VERSION`].
    pub version: u32,
    /// What people call it, 1 to 100 characters.
    pub name: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The queue its runs wait in, [`WORKFLOW`](crate::queue::WORKFLOW) when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// The head start of its runs in that queue, in points of ten seconds.
    #[serde(skip_serializing_if = "is_usual")]
    pub priority: i64,
    /// How many of its runs may be under way at once; any number when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Concurrency>,
    /// What starts it.
    pub trigger: Trigger,
    /// What a run takes.
    #[serde(skip_serializing_if = "Fields::is_empty")]
    pub inputs: Fields,
    /// What a run gives back.
    #[serde(skip_serializing_if = "Fields::is_empty")]
    pub outputs: Fields,
    /// Variables and their first values.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub vars: Map<String, Value>,
    /// What it does, in order.
    pub steps: Vec<Step>,
    /// What a run gives back, every string a template; by default the last step's output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
}

/// Whether a priority need not be mentioned.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands fields over by reference")]
const fn is_usual(priority: &i64) -> bool {
    *priority == 0
}

named! {
    /// What starts a workflow.
    pub enum TriggerType as "trigger_type" {
        /// A person or an API call.
        Manual = "manual",
        /// A provider's webhook.
        Webhook = "webhook",
        /// The clock.
        Schedule = "schedule",
        /// Records that come to meet a condition.
        Condition = "condition",
        /// Something that happens inside Connectus.
        Event = "event",
        /// A run of another workflow that ends.
        Workflow = "workflow",
    }
}

/// What starts a workflow, and under which condition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trigger {
    /// Which kind.
    #[serde(rename = "type")]
    pub kind: TriggerType,
    /// Details of the kind: `{event: "contact.creation"}`, `{schedule: "0 8 * * *"}`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub config: Map<String, Value>,
    /// A condition on what came in; a run that does not meet it ends with `{"skipped": true}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
}

impl Definition {
    /// The queue its runs wait in.
    pub fn queue(&self) -> &str {
        self.queue.as_deref().unwrap_or(queue::WORKFLOW)
    }
}

impl Trigger {
    /// Started by people only.
    pub fn manual() -> Self {
        Self { kind: TriggerType::Manual, config: Map::new(), when: None }
    }
}

/// A node of a workflow.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// Its name in expressions (`steps.<id>.output`), unique in the workflow.
    pub id: String,
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it does.
    #[serde(flatten)]
    pub kind: Kind<Step>,
    /// Only if this expression is true; a step left out has output `null`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// How failed attempts are repeated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryPolicy>,
    /// Longest time one attempt may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// Go on if it fails; `steps.<id>.error` then says why.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub continue_on_error: bool,
    /// Steps to do if it fails; the run then goes on behind it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on_error: Vec<Self>,
    /// Left out, whatever `when` says; for trying things.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub skip: bool,
    /// What undoes it when the run fails or is cancelled later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compensate: Option<Call>,
}

impl Definition {
    /// Reads a definition from JSON. Shape only: [`Program::compile`](super::Program::compile)
    /// checks expressions and references.
    ///
    /// # Errors
    /// `invalid` listing every fault by JSON pointer.
    pub fn read(value: &Value) -> Result<Self> {
        read::definition(value)
    }

    /// The definition's identity: SHA-256 of its canonical JSON. Runs pin it.
    pub fn content_hash(&self) -> Digest {
        canonical::digest(&self.to_json())
    }

    /// The definition as JSON; [`Definition::read`] gives the same definition back.
    pub fn to_json(&self) -> Value {
        // Only a map with keys that are no strings can fail here, and there is none.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// All steps, each before those inside it.
    pub fn walk(&self) -> Vec<&Step> {
        let mut found = Vec::new();
        let mut open: Vec<&Step> = self.steps.iter().rev().collect();
        while let Some(step) = open.pop() {
            found.push(step);
            open.extend(step.inner().into_iter().flat_map(|block| block.iter()).rev());
        }
        found
    }
}

impl Step {
    /// The step lists inside this one, in order.
    pub fn inner(&self) -> Vec<&[Self]> {
        let mut inner: Vec<&[Self]> = match &self.kind {
            Kind::Branch(branch) => vec![&branch.then, &branch.r#else],
            Kind::Switch(switch) => {
                let cases = switch.cases.iter().map(|case| case.steps.as_slice());
                cases.chain([switch.default.as_slice()]).collect()
            }
            Kind::Parallel(parallel) => parallel.branches.iter().map(Vec::as_slice).collect(),
            Kind::ForEach(each) => vec![&each.steps],
            _ => Vec::new(),
        };
        inner.push(&self.on_error);
        inner
    }
}

impl<'de> Deserialize<'de> for Definition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::read(&value).map_err(|error| de::Error::custom(error.detail))
    }
}
