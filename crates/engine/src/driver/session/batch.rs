//! What one transaction of a session writes: what was learnt, what it means, and the intent of what
//! is next.

use connectus_core::{Timestamp, run::Run};
use connectus_store::{
    effects::{Answer, NewEffect},
    runs::{Rest, RunNote},
    steps::{StepBegin, StepEnd},
};
use serde_json::Value;

use super::{Session, generation::Continued};
use crate::driver::{settle::Outcome, turn::Turn};

/// A workflow to be started by a step.
#[derive(Clone, Debug)]
pub(in crate::driver) struct Child {
    pub id: String,
    pub workflow: String,
    pub input: Value,
    pub key_suffix: String,
}

/// An attempt about to begin.
#[derive(Clone, Debug)]
pub(in crate::driver) struct Begin {
    pub step: StepBegin,
    pub kind: &'static str,
    /// The effect it sends, if it sends one.
    pub effect: Option<NewEffect>,
}

/// An attempt that has ended.
#[derive(Clone, Debug)]
pub(in crate::driver) struct Ended {
    pub end: StepEnd,
    /// What it was begun with, if that is not written down yet.
    pub begin: Option<StepBegin>,
}

/// What one transaction writes.
#[derive(Clone, Debug, Default)]
pub(in crate::driver) struct Batch {
    pub continued: Option<Continued>,
    pub entries: Vec<(u64, String)>,
    pub begins: Vec<Begin>,
    pub ends: Vec<Ended>,
    pub answers: Vec<(String, Answer)>,
    pub waits: Vec<(String, String, Option<Value>)>,
    pub children: Vec<Child>,
    pub stopped_children: Vec<String>,
    pub read_signals: Vec<String>,
    pub progress: Option<Value>,
    pub outcome: Option<Outcome>,
    /// Steps under way that are to stop once this is durable.
    pub stops: Vec<String>,
    /// Children that were stopped before they were started; answered within this batch.
    pub unborn: Vec<String>,
    /// The run is to start over with this input; done within this batch.
    pub restart: Option<Value>,
}

impl Batch {
    /// The steps to launch after the commit, and the kind of their effect.
    pub fn launches(&self) -> Vec<(String, &'static str)> {
        self.begins.iter().map(|begin| (begin.step.step_id.clone(), begin.kind)).collect()
    }

    /// The values that are written besides the journal.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        let begun = self.begins.iter().map(|begin| &begin.step);
        let begun = begun.chain(self.ends.iter().filter_map(|ended| ended.begin.as_ref()));
        let made = self.outcome.as_ref().and_then(|outcome| outcome.parts().0);
        begun
            .map(|step| &step.input)
            .chain(self.children.iter().map(|child| &child.input))
            .chain(made)
    }

    /// Whether there is nothing to write. Everything else is a consequence of these.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.begins.is_empty() && self.ends.is_empty()
    }
}

/// The idempotency key of a step: equal over attempts and replays.
pub(in crate::driver) fn effect_key(run: &Run, key_suffix: &str) -> String {
    format!("{}/{}/{key_suffix}", run.tenant, run.id)
}

impl Session {
    /// What a batch is as a transaction. With `rest` the run is put to rest in it, unless
    /// something has come in.
    pub(super) fn turn_of(&mut self, batch: Batch, rest: Option<Timestamp>) -> Turn {
        let begins = !std::mem::replace(&mut self.begun, true);
        let note =
            RunNote { progress: batch.progress.clone(), advanced: !batch.entries.is_empty() };
        let rest = rest.map(|due| Rest { due, cancelled: self.cancelled });
        let longest = self.job.parts.store.blobs().threshold();
        self.has_large |= batch.entries.iter().any(|(_, line)| line.len() > longest);
        let has_large = self.has_large;
        Turn { job: self.job.clone(), batch, note, begins, has_large, rest }
    }
}
