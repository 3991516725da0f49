//! Runs: durable executions of every kind.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    error::{Code, Error},
    id::{RunId, TenantId},
    named::named,
    payload::Payload,
    queue,
    time::Timestamp,
};

named! {
    /// What a run executes.
    pub enum RunKind as "kind" {
        /// A workflow definition, by the interpreter.
        Workflow = "workflow",
        /// A data flow.
        Sync = "sync",
    }
}

named! {
    /// Where a run stands.
    pub enum RunStatus as "status" {
        /// Waiting for its turn or its due time.
        Queued = "queued",
        /// Being worked on.
        Running = "running",
        /// Begun, and waiting for a timer, a signal or its next attempt.
        Waiting = "waiting",
        /// Set apart because its process died again and again: nothing is done until a person
        /// releases or cancels it.
        Quarantined = "quarantined",
        /// Ended well.
        Completed = "completed",
        /// Ended badly.
        Failed = "failed",
        /// Stopped by someone.
        Cancelled = "cancelled",
    }
}

impl RunStatus {
    /// Whether nothing more will happen.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

named! {
    /// Where a workflow stands.
    pub enum WorkflowStatus as "status" {
        /// Being written; only people start it.
        Draft = "draft",
        /// Its trigger counts.
        Active = "active",
        /// Its trigger is ignored for now.
        Paused = "paused",
        /// It cannot run until someone mends it.
        Error = "error",
    }
}

impl RunKind {
    /// The queue its runs wait in when nothing else is said.
    pub const fn queue(self) -> &'static str {
        match self {
            Self::Workflow => queue::WORKFLOW,
            Self::Sync => queue::SYNC,
        }
    }
}

/// Why a run or a step ended badly, as stored and shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// A stable error code.
    pub code: String,
    /// What happened and what to do.
    pub message: String,
    /// Whether trying again could have helped.
    #[serde(default)]
    pub transient: bool,
    /// Seconds the other side asked us to wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        Self {
            code: error.code.name().to_owned(),
            message: error.detail.clone(),
            transient: error.is_transient(),
            retry_after: error.retry_after,
        }
    }
}

impl Failure {
    /// A run that someone stopped.
    pub fn cancelled() -> Self {
        Self {
            code: "cancelled".to_owned(),
            message: "The run was cancelled.".to_owned(),
            transient: false,
            retry_after: None,
        }
    }

    /// The error code it came from, where it is one of ours.
    pub fn known_code(&self) -> Option<Code> {
        Code::ALL.iter().copied().find(|code| code.name() == self.code)
    }
}

/// The run that another one repeats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// That run.
    pub run: RunId,
    /// How many entries of its journal were the past already; `None` when all begins anew.
    pub position: Option<u64>,
    /// The step from which it was asked to go on.
    pub step: Option<String>,
}

/// What runs with the same key pass one by one, or so many at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Turnstile {
    /// Runs with the same key share it.
    pub key: String,
    /// How many may be under way at once.
    pub limit: u32,
}

/// One durable execution.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// Whose it is.
    pub tenant: TenantId,
    /// Identifier.
    pub id: RunId,
    /// What it executes.
    pub kind: RunKind,
    /// The lane it waits in.
    pub queue: String,
    /// Order within the lane; higher goes first.
    pub priority: i64,
    /// Where it stands.
    pub status: RunStatus,
    /// The workflow or data flow it runs.
    pub subject_id: String,
    /// The pinned definition, by content; empty for kinds without one.
    pub definition_hash: String,
    /// The interpreter version it pins; 0 for kinds without one.
    pub interp_version: u32,
    /// A second start with the same key is the same run.
    pub dedupe_key: Option<String>,
    /// What started it: `manual`, `schedule`, `webhook`, `retry`.
    pub trigger: String,
    /// What it was given.
    pub input: Payload,
    /// What it made.
    pub output: Option<Payload>,
    /// Why it ended badly.
    pub error: Option<Failure>,
    /// How far it is, in the words of its kind.
    pub progress: Option<Value>,
    /// Who started it.
    pub started_by: String,
    /// The run and step that wait for this one to end.
    pub parent: Option<(RunId, String)>,
    /// The run it repeats, and from where on.
    pub origin: Option<Origin>,
    /// What it waits at until few enough of its kind are under way.
    pub turnstile: Option<Turnstile>,
    /// Attempts that failed and will be, or were, repeated. Steps count their own.
    pub attempts: u32,
    /// How often a process died while working on it.
    pub crashes: u32,
    /// Whether someone asked to stop it.
    pub cancel_requested: bool,
    /// Not before this time.
    pub due_at: Timestamp,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When work on it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}
