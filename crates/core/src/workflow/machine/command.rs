//! What a run wants done.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Timestamp,
    run::Failure,
    workflow::{RetryPolicy, Span},
};

/// A command to the driver. Ids are unique within a generation of a run and the same on replay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cmd {
    /// Execute an action, attempts and delays included; answer with `Done` or `Failed`.
    Step {
        /// The step's path: `notify`, `each[3].notify`, `notify:undo`; `block#2.notify` in a second
        /// attempt at the block around it.
        id: String,
        /// What people call it.
        name: String,
        /// The action.
        action: String,
        /// The integration to use; `None`: the provider's only one.
        connection: Option<String>,
        /// What the action is given.
        input: Value,
        /// How to execute it.
        policy: Policy,
        /// The last part of the idempotency key `tenant/run/<key_suffix>`: equal over attempts
        /// and replays, different for every step of every generation. Equal over attempts at the
        /// block around it, too, while it is not known what became of it.
        key_suffix: String,
        /// Whether it undoes an earlier step.
        compensation: bool,
        /// Whether it was asked for under this key before and may have been done.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unsure: bool,
    },
    /// Answer with `Fired` at this time. One that is asked for again is set anew.
    Timer {
        /// The step's path.
        id: String,
        /// When.
        at: Timestamp,
    },
    /// Someone may answer with `Signalled`; with a deadline, answer with `Fired` when it passes.
    AwaitSignal {
        /// The step's path.
        id: String,
        /// The signal's name.
        name: String,
        /// Latest answer.
        deadline: Option<Timestamp>,
        /// What to show: `{"message", "approvers"}` of an approval.
        meta: Option<Value>,
    },
    /// Run another workflow; answer with `ChildDone`.
    Child {
        /// The step's path.
        id: String,
        /// Which workflow, by id or name.
        workflow: String,
        /// Its input.
        input: Value,
        /// For the record: the machine sees to time and attempts itself.
        policy: Policy,
        /// The last part of the child's dedupe key.
        key_suffix: String,
    },
    /// Stop what is pending under this id. A step or child still answers - with what it did, if it
    /// was too late to stop it, else with `Failed` - because what was done must be undone. A timer
    /// or signal is dropped without an answer.
    Cancel {
        /// The step's path.
        id: String,
    },
    /// How far the run is: `{"done": 2, "of": 5}` steps of the top level.
    Progress(Value),
    /// Start over with this input and an empty history, as the next generation.
    ContinueAs(Value),
    /// The run is completed.
    Complete(Value),
    /// The run has failed or was cancelled.
    Fail(RunError),
}

/// How a step is to be executed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// When and how often to try again.
    pub retry: RetryPolicy,
    /// Longest time of one attempt; `None`: the queue's.
    pub timeout: Option<Span>,
}

/// Why a run ended badly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunError {
    /// The reason; code `cancelled` when someone stopped it.
    #[serde(flatten)]
    pub failure: Failure,
    /// The path of the step at fault, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// What was undone, in the order it was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub compensations: Vec<Compensation>,
}

impl RunError {
    /// An error that no retry cures.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        let failure = Failure {
            code: code.to_owned(),
            message: message.into(),
            transient: false,
            retry_after: None,
        };
        Self::from(failure)
    }

    /// A child's error as its parent tells it: without the child's own undoing.
    pub(in crate::workflow) fn of_child(self) -> Self {
        let mut failure = self.failure;
        if let Some(step) = self.step {
            failure.message =
                format!("{} (In step `{step}` of the workflow it ran.)", failure.message);
        }
        Self::from(failure)
    }

    pub(super) fn at(mut self, step: &str) -> Self {
        self.step.get_or_insert_with(|| step.to_owned());
        self
    }
}

impl From<Failure> for RunError {
    fn from(failure: Failure) -> Self {
        Self { failure, step: None, compensations: Vec::new() }
    }
}

/// One undoing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Compensation {
    /// The path of the step that was undone.
    pub step: String,
    /// Why it could not be undone; a person has to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
}
