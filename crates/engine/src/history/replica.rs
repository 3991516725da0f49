//! The beginning of a new run that repeats an old one: the entries it takes over, replayed.

use std::collections::{BTreeMap, BTreeSet};

use connectus_core::{
    Code, Error, Result, Timestamp,
    workflow::{ChildOutcome, Cmd, Entry, Event, Interp, without_attempts},
};
use serde_json::Value;

use super::History;

/// A replay that keeps what a driver has to know.
pub(crate) struct Replica {
    interp: Interp,
    /// What it has learnt.
    pub entries: Vec<Entry>,
    /// The latest command for every path.
    commanded: BTreeMap<String, Cmd>,
    /// Paths that were told to stop.
    stopped: BTreeSet<String>,
    /// The latest progress.
    pub progress: Option<Value>,
}

/// Something that a new run must set going itself: its interpreter has asked for it already.
pub(crate) enum Open {
    /// A workflow to be started.
    Child { id: String, workflow: String, input: Value, key_suffix: String },
    /// A workflow that is not needed any more.
    StoppedChild { id: String },
    /// A signal that people should know is waited for.
    Signal { id: String, name: String, meta: Option<Value> },
}

impl Replica {
    fn of(interp: Interp) -> Self {
        Self {
            interp,
            entries: Vec::new(),
            commanded: BTreeMap::new(),
            stopped: BTreeSet::new(),
            progress: None,
        }
    }

    /// Takes an entry over; the paths of what it asked for.
    fn learn(&mut self, entry: &Entry) -> Vec<String> {
        let mut asked = Vec::new();
        for command in self.interp.replay(entry.clone()) {
            match &command {
                Cmd::Step { id, .. }
                | Cmd::Timer { id, .. }
                | Cmd::AwaitSignal { id, .. }
                | Cmd::Child { id, .. } => {
                    asked.push(id.clone());
                    self.commanded.insert(id.clone(), command);
                }
                Cmd::Cancel { id } => {
                    self.stopped.insert(id.clone());
                }
                Cmd::Progress(progress) => self.progress = Some(progress.clone()),
                Cmd::ContinueAs(_) | Cmd::Complete(_) | Cmd::Fail(_) => {}
            }
        }
        self.entries.push(entry.clone());
        asked
    }

    /// Goes on at this time: time limits that run begin anew, since they are not about the time
    /// between the two runs.
    pub fn resume(&mut self, at: Timestamp) {
        if self.interp.has_limits() {
            self.learn(&Entry { at, event: Event::Resumed {} });
        }
    }

    /// Whether it has learnt anything.
    pub fn has_begun(&self) -> bool {
        !self.entries.is_empty()
    }

    /// Paths of the steps that have ended.
    pub fn ended(&self) -> Vec<String> {
        let ended = self.entries.iter().filter_map(|entry| match &entry.event {
            Event::Done { id, .. } | Event::Failed { id, .. } => Some(id.clone()),
            _ => None,
        });
        // An answer that came twice counts once.
        ended.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// What is to be set going, in the order of paths. Steps and times need nothing: whoever
    /// replays the journal finds them open.
    pub fn open(&self) -> Vec<Open> {
        let of = |id: &str| match self.commanded.get(id)? {
            Cmd::Child { .. } if self.stopped.contains(id) => {
                Some(Open::StoppedChild { id: id.to_owned() })
            }
            Cmd::Child { id, workflow, input, key_suffix, .. } => Some(Open::Child {
                id: id.clone(),
                workflow: workflow.clone(),
                input: input.clone(),
                key_suffix: key_suffix.clone(),
            }),
            Cmd::AwaitSignal { id, name, meta, .. } => {
                Some(Open::Signal { id: id.clone(), name: name.clone(), meta: meta.clone() })
            }
            _ => None,
        };
        self.interp.pending().into_iter().filter_map(of).collect()
    }

    /// Whether this still waits, exactly as the other run did.
    fn waits_like(&self, other: &Self, id: &str) -> bool {
        self.interp.pending().contains(&id)
            && !self.stopped.contains(id)
            && self.commanded.get(id) == other.commanded.get(id)
    }

    /// The path of the step that waits for a signal.
    fn waits_for(&self, signal: &str) -> Option<&str> {
        self.interp.pending().into_iter().find(|id| {
            matches!(self.commanded.get(*id), Some(Cmd::AwaitSignal { name, .. }) if name == signal)
        })
    }
}

impl History {
    /// What a run that goes on from a position begins with.
    ///
    /// # Errors
    /// `invalid` for a position behind the end, `conflict` for one at which the run was over.
    pub(crate) fn until(&self, position: usize) -> Result<Replica> {
        let Some(learnt) = self.entries.get(..position) else {
            let message = format!("must be from 0 to {}, the length of the journal", self.len());
            return Err(Error::invalid("position", message));
        };
        let mut replica = Replica::of(self.machine());
        for entry in learnt {
            replica.learn(entry);
        }
        if replica.interp.is_over() {
            let detail = "The run was over at this position: nothing is left to go on with. Take \
                          an earlier position.";
            return Err(Error::new(Code::Conflict, detail));
        }
        Ok(replica)
    }

    /// What a run that goes on from a step begins with, and the position at which the step began:
    /// all that was learnt until then, and later what other steps answered that do not come after
    /// that step. A step that failed or was stopped later begins anew.
    ///
    /// # Errors
    /// `invalid` for a step the run did not begin, with those it did.
    pub(crate) fn before(&self, step: &str) -> Result<(usize, Replica)> {
        let mut original = Replica::of(self.machine());
        let mut cut = None;
        for (index, entry) in self.entries.iter().enumerate() {
            let asked = original.learn(entry);
            if cut.is_none() && asked.iter().any(|id| self.is_of(id, step)) {
                cut = Some(index + 1);
            }
        }
        let Some(position) = cut else { return Err(unknown_step(step, &original)) };
        let mut replica = self.until(position)?;
        for entry in self.entries.iter().skip(position) {
            if self.is_reusable(&replica, &original, &entry.event, step) {
                replica.learn(entry);
            }
        }
        let spoilt =
            replica.interp.is_over() || replica.stopped.iter().any(|id| self.is_of(id, step));
        // A step beside it ended the run: then that one begins anew too.
        Ok((position, if spoilt { self.until(position)? } else { replica }))
    }

    /// Whether an event that came later says the same to a run in which `step` begins anew.
    fn is_reusable(&self, new: &Replica, old: &Replica, event: &Event, step: &str) -> bool {
        let waiting = match event {
            // What ends in a limit ends in another one here.
            Event::Fired { id } if id.ends_with(":timeout") => None,
            Event::Done { id, .. }
            | Event::Fired { id }
            | Event::ChildDone { id, result: ChildOutcome::Output(_) } => Some(id.as_str()),
            Event::Signalled { name, .. } => new.waits_for(name),
            _ => None,
        };
        waiting.is_some_and(|id| !self.is_of(id, step) && new.waits_like(old, id))
    }

    /// Whether a path is that of a step, or of one inside it. Undoing a step is not the step.
    fn is_of(&self, path: &str, step: &str) -> bool {
        let path = without_attempts(path);
        let path = path.trim_end_matches(":retry");
        if path == step || path.strip_prefix(step).is_some_and(|rest| rest.starts_with('[')) {
            return true;
        }
        let definition = self.program.definition();
        let outer = definition.walk().into_iter().find(|outer| outer.id == step);
        let mut inside: Vec<_> = outer.into_iter().flat_map(|outer| outer.inner()).collect();
        while let Some(block) = inside.pop() {
            let is_here = |id: &str| path == id || path.starts_with(&format!("{id}["));
            if block.iter().any(|step| is_here(&step.id)) {
                return true;
            }
            inside.extend(block.iter().flat_map(|step| step.inner()));
        }
        false
    }
}

fn unknown_step(step: &str, run: &Replica) -> Error {
    /// Paths that are named at most; a loop has thousands.
    const NAMED: usize = 20;
    let begun: Vec<&str> = run.commanded.keys().map(String::as_str).collect();
    let begun: Vec<&str> = begun.into_iter().filter(|id| !id.ends_with(":undo")).collect();
    let message = match begun.len() {
        0 => format!("the run did not begin step `{step}`, nor any other that takes time"),
        count => {
            let named = begun.get(..NAMED.min(count)).unwrap_or_default().join("`, `");
            format!("the run did not begin `{step}`, or it took no time; it began `{named}`")
        }
    };
    Error::invalid("from_step", message)
}
