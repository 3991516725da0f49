//! What a run is in the middle of.

use serde_json::Value;

use super::{
    RunError,
    attempts::{Retrying, Tries},
    data::EnvId,
};
use crate::{
    Timestamp,
    access::Role,
    workflow::{
        OnDeadline, OnReject,
        program::{BlockIx, NodeIx},
    },
};

/// Identifies a [`Frame`]. Numbers are never used twice, so their order is the order of beginning.
pub(super) type FrameId = u32;

/// The frame that stands for the whole run.
pub(super) const RUN: FrameId = 0;

/// A step list or step that has begun and not ended.
#[derive(Debug)]
pub(super) struct Frame {
    /// A block's parent is the step it belongs to, or [`RUN`]; a step's is its block - or, once
    /// it is being cancelled, whatever waits for its answer.
    pub(super) parent: FrameId,
    pub(super) env: EnvId,
    pub(super) kind: FrameKind,
}

#[derive(Debug)]
pub(super) enum FrameKind {
    Block(BlockFrame),
    Step(StepFrame),
}

/// Steps that run one after the other.
#[derive(Debug)]
pub(super) struct BlockFrame {
    pub(super) block: BlockIx,
    /// The step that runs or is next.
    pub(super) position: usize,
    /// Output of the last step.
    pub(super) last: Value,
    /// Its place among the results of the step it belongs to.
    pub(super) slot: usize,
}

#[derive(Debug)]
pub(super) struct StepFrame {
    pub(super) node: NodeIx,
    /// Its path; that of the attempt, where it is not the first one.
    pub(super) path: String,
    pub(super) state: State,
    /// Whether the step itself has failed, and this is what is done about it.
    pub(super) handling: bool,
    pub(super) tries: Tries,
}

/// What a step waits for.
#[derive(Debug)]
pub(super) enum State {
    /// The answer of an action or a child.
    Answer,
    /// The answer of an action or a child that is being cancelled.
    Cancelling,
    /// The answer of a child whose time has passed.
    Late,
    /// The undoing of a failed attempt.
    Undoing(Box<Retrying>),
    /// The time of the next attempt.
    Backoff,
    Timer,
    Signal(SignalWait),
    Group(Group),
}

#[derive(Debug)]
pub(super) struct SignalWait {
    pub(super) name: String,
    pub(super) has_deadline: bool,
    pub(super) on_deadline: OnDeadline,
    /// What is asked, when this is an approval.
    pub(super) ask: Option<Ask>,
    /// Who is asked, too, when the first deadline passes.
    pub(super) escalation: Option<Escalation>,
}

/// Who is asked, too, and until when.
#[derive(Debug)]
pub(super) struct Escalation {
    pub(super) approvers: Vec<String>,
    pub(super) until: Option<Timestamp>,
}

/// What an approval asks of people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The question.
    pub message: String,
    /// Who may answer: roles and e-mail addresses. Empty: whoever may run workflows.
    pub approvers: Vec<String>,
    /// What a no does.
    pub(super) on_reject: OnReject,
}

impl Ask {
    /// Whether someone with this role and address may answer. A role stands for those above it,
    /// too.
    pub fn admits(&self, role: Role, email: Option<&str>) -> bool {
        let is_named = |approver: &String| match approver.parse::<Role>() {
            Ok(least) => role <= least,
            Err(()) => email.is_some_and(|email| email.eq_ignore_ascii_case(approver)),
        };
        self.approvers.is_empty() || self.approvers.iter().any(is_named)
    }
}

/// The blocks inside a branch, parallel or loop.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) results: Vec<Value>,
    /// Blocks that run.
    pub(super) running: usize,
    /// Blocks that must still come to their end.
    pub(super) needed: usize,
    /// Blocks that may still fail.
    pub(super) spare: usize,
    /// Whether the output is the one result, or the list of all.
    pub(super) single: bool,
    /// Items not begun, with the place each has in the list.
    pub(super) items: std::iter::Enumerate<std::vec::IntoIter<Value>>,
    /// Set once a block failed: the step fails with it when nothing inside is pending any more.
    pub(super) failure: Option<Box<RunError>>,
    /// Set once enough blocks have come to their end: the step ends with them when nothing inside
    /// is pending any more.
    pub(super) enough: bool,
    /// Steps inside that are being cancelled.
    pub(super) cancelling: usize,
}

impl Group {
    pub(super) fn new(slots: usize, needed: usize, single: bool) -> Self {
        Self {
            results: vec![Value::Null; slots],
            running: 0,
            needed,
            spare: slots.saturating_sub(needed),
            single,
            items: Vec::new().into_iter().enumerate(),
            failure: None,
            enough: false,
            cancelling: 0,
        }
    }

    /// The step's output when enough blocks have ended.
    pub(super) fn output(&mut self) -> Value {
        let mut results = std::mem::take(&mut self.results);
        if self.single { results.pop().unwrap_or_default() } else { Value::Array(results) }
    }
}

/// How a run is going to end.
#[derive(Debug)]
pub(super) enum End {
    Complete(Value),
    ContinueAs(Value),
    Fail(RunError),
}
