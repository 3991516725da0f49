//! What a run knows and waits for at one moment, for people to look at.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::{FrameKind, Interp, Phase, State};

/// A run at one moment of its history.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Snapshot {
    /// `new`, `running`, `ending` (stopping what is pending), `undoing` or `over`.
    pub phase: &'static str,
    /// What expressions see as `run`; null before the run has begun.
    pub run: Value,
    /// What expressions see as `trigger` and `input`.
    pub input: Value,
    /// What expressions see as `vars`.
    pub vars: Value,
    /// How steps ended that expressions can see, by path: `status`, `output`, `error`.
    pub steps: BTreeMap<String, Value>,
    /// What has begun and not ended, by path.
    pub pending: Vec<Pending>,
    /// The paths of the steps that will be undone should the run fail, the first one first.
    pub undo: Vec<String>,
    /// Signals that came and were not asked for yet: name and value, oldest first.
    pub signals: Vec<(String, Value)>,
    /// Steps begun so far, loops unrolled.
    pub executed: usize,
}

/// A step that has begun and not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pending {
    /// Its path.
    pub step: String,
    /// What it waits for: `answer`, `stop` (the answer of one told to stop), `time`, `signal`.
    pub waits_for: &'static str,
    /// The name of the signal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
}

impl Interp {
    /// What the run knows and waits for now.
    pub fn snapshot(&self) -> Snapshot {
        let (run, input, vars) = self.data.seen();
        Snapshot {
            phase: match self.phase {
                Phase::New => "new",
                Phase::Running => "running",
                Phase::Ending { .. } => "ending",
                Phase::Undoing { .. } => "undoing",
                Phase::Over => "over",
            },
            run: run.clone(),
            input: input.clone(),
            vars: vars.clone(),
            steps: self.data.ended().map(|(path, ended)| (path, ended.clone())).collect(),
            pending: self.waiting(),
            undo: self.undo.iter().rev().map(|undoing| undoing.path().to_owned()).collect(),
            signals: self
                .kept_signals()
                .map(|(name, value)| (name.to_owned(), value.clone()))
                .collect(),
            executed: self.executed,
        }
    }

    fn waiting(&self) -> Vec<Pending> {
        let of = |path: &str| {
            if self.deadlines.contains_key(path) {
                return Pending { step: path.to_owned(), waits_for: "time", signal: None };
            }
            let frame = self.pending.get(path).and_then(|id| self.frames.get(id));
            let state = frame.and_then(|frame| match &frame.kind {
                FrameKind::Step(step) => Some(&step.state),
                FrameKind::Block(_) => None,
            });
            let (waits_for, signal) = match state {
                Some(State::Timer | State::Backoff) => ("time", None),
                Some(State::Signal(wait)) => ("signal", Some(wait.name.clone())),
                Some(State::Cancelling | State::Late) => ("stop", None),
                // An undoing has no frame; it waits for its answer too.
                Some(State::Answer | State::Undoing(_) | State::Group(_)) | None => {
                    ("answer", None)
                }
            };
            Pending { step: path.to_owned(), waits_for, signal }
        };
        self.pending().into_iter().map(of).collect()
    }
}
