//! The machine: one run of a program.

mod attempts;
mod begin;
mod command;
mod data;
mod end;
mod event;
mod finish;
mod frame;
mod parked;
mod rehearsal;
mod snapshot;
mod waits;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use serde_json::{Value, json};

pub(super) use self::rehearsal::{Alone, Rehearsal, Traced, of_step};
use self::{
    attempts::Asked,
    data::{Data, EnvId},
    end::Undoing,
    frame::{BlockFrame, End, Frame, FrameId, FrameKind, RUN, SignalWait, State, StepFrame},
};
pub use self::{
    attempts::without_attempts,
    command::{Cmd, Compensation, Policy, RunError},
    event::{ChildOutcome, Entry, Event, JOURNAL_VERSION, PARKED_VERSION},
    frame::Ask,
    rehearsal::{Fate, Iteration, Pin, PinnedError},
    snapshot::{Pending, Snapshot},
    waits::APPROVAL_SIGNAL,
};
use super::{Program, program::BlockIx, typed};
use crate::{Timestamp, run::Failure};

/// The version of the machine's behaviour. A run pins the version it began with; a change that
/// makes old histories give other commands needs a new number and the old code beside it.
///
/// Version 2 heeds `retry` and `timeout` of `workflow` steps, which version 1 took and ignored.
pub const INTERP_VERSION: u32 = 2;

/// One run of a workflow: feed it events, do what it commands.
///
/// It holds no clock and no randomness. Replaying the journal of a run into a new `Interp` gives
/// the same commands in the same order; a driver executes those whose answers are not in the
/// journal yet. Answers to what is no longer pending are ignored, so late and repeated ones are
/// harmless.
#[derive(Debug)]
pub struct Interp {
    program: Arc<Program>,
    version: u32,
    data: Data,
    phase: Phase,
    now: Timestamp,
    generation: u32,
    frames: BTreeMap<FrameId, Frame>,
    next_frame: FrameId,
    /// Steps that wait for an answer, timer or signal, by path.
    pending: BTreeMap<String, FrameId>,
    /// Steps whose time is limited, by the path of the limit.
    deadlines: BTreeMap<String, FrameId>,
    /// Blocks with something to do, in order.
    ready: VecDeque<FrameId>,
    executed: usize,
    /// What is wrong with the input.
    refused: Option<RunError>,
    undo: Vec<Undoing>,
    /// What was undone before the run began to end.
    undone: Vec<Compensation>,
    /// What actions were asked, where they may be asked again, by path without attempts.
    asked: BTreeMap<String, Asked>,
    /// What a test changes and learns; a run that is none has nothing here.
    rehearsal: Option<Box<Rehearsal>>,
    out: Vec<Cmd>,
}

#[derive(Debug)]
enum Phase {
    /// Waits for [`Event::Started`].
    New,
    Running,
    /// Waits for the answers of cancelled steps.
    Ending {
        end: End,
        cancelling: usize,
    },
    /// Undoes what was done.
    Undoing {
        error: RunError,
        current: Option<(String, String)>,
    },
    Over,
}

impl Interp {
    /// A run that has not begun.
    pub fn new(program: Arc<Program>, input: Value) -> Self {
        Self::of_version(INTERP_VERSION, program, input)
    }

    /// Whether this program can go on with a run that began on a version.
    pub const fn speaks(version: u32) -> bool {
        version >= 1 && version <= INTERP_VERSION
    }

    /// A run that has not begun, or one that began on an older version. See [`Interp::speaks`].
    pub fn of_version(version: u32, program: Arc<Program>, input: Value) -> Self {
        let vars = program.definition.vars.clone();
        let (input, refused) = match typed::accept(&program.definition.inputs, &input) {
            Ok(whole) => (whole, None),
            Err(error) => (input, Some(RunError::from(Failure::from(&error)))),
        };
        Self {
            program,
            version,
            data: Data::new(input, vars),
            refused,
            phase: Phase::New,
            now: Timestamp::default(),
            generation: 0,
            frames: BTreeMap::new(),
            next_frame: RUN + 1,
            pending: BTreeMap::new(),
            deadlines: BTreeMap::new(),
            ready: VecDeque::new(),
            executed: 0,
            undo: Vec::new(),
            undone: Vec::new(),
            asked: BTreeMap::new(),
            rehearsal: None,
            out: Vec::new(),
        }
    }

    /// Takes one event, learnt `at` a time, and says what to do now.
    pub fn on(&mut self, at: Timestamp, event: Event) -> Vec<Cmd> {
        self.now = self.now.max(at);
        let before = self.position();
        match (&self.phase, event) {
            (Phase::New, Event::Started { seed, generation }) => self.start(seed, generation),
            (Phase::New | Phase::Over, _) | (_, Event::Started { .. }) => {}
            (_, Event::Done { id, output }) => {
                self.doubt(&id, None, false);
                self.answered(&id, Ok(output));
            }
            (_, Event::Failed { id, error, unsure }) => {
                self.doubt(&id, Some(&error.code), unsure);
                self.answered(&id, Err(error.into()));
            }
            (_, Event::ChildDone { id, result }) => {
                let outcome = match result {
                    ChildOutcome::Output(output) => Ok(output),
                    ChildOutcome::Error(error) => Err(error.of_child()),
                };
                self.answered(&id, outcome);
            }
            (_, Event::Fired { id }) => self.fired(&id),
            (_, Event::Signalled { name, value }) => self.signalled(name, value),
            (_, Event::CancelRequested { reason }) => self.cancel(reason),
            (_, Event::Resumed {}) => self.resumed(),
        }
        self.work();
        self.report_progress(before);
        std::mem::take(&mut self.out)
    }

    /// Takes a journal entry; see [`Interp::on`].
    pub fn replay(&mut self, entry: Entry) -> Vec<Cmd> {
        self.on(entry.at, entry.event)
    }

    /// Whether the run has ended: nothing more will be commanded.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// Whether the run is undoing what it did.
    pub fn is_undoing(&self) -> bool {
        matches!(self.phase, Phase::Undoing { .. })
    }

    /// The paths of all steps that wait for an answer, a timer or a signal, and those of time
    /// limits.
    pub fn pending(&self) -> Vec<&str> {
        let undoing = match &self.phase {
            Phase::Undoing { current: Some((id, _)), .. } => Some(id.as_str()),
            _ => None,
        };
        let limits = self.deadlines.keys().map(String::as_str);
        self.pending.keys().map(String::as_str).chain(limits).chain(undoing).collect()
    }

    /// Signals that came and were not asked for yet, by name, oldest first. A driver that starts
    /// the run over hands them to the next generation.
    pub fn kept_signals(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.data.kept_signals()
    }

    /// Steps begun so far, loops unrolled.
    pub fn executed(&self) -> usize {
        self.executed
    }

    fn start(&mut self, seed: u64, generation: u32) {
        self.phase = Phase::Running;
        self.generation = generation;
        self.data.begin(self.now, seed, generation);
        let program = Arc::clone(&self.program);
        if let Some(error) = self.refused.take() {
            return self.end(End::Fail(error));
        }
        match program.when.as_ref().map_or(Ok(true), |when| self.data.test(0, when)) {
            Ok(true) => match self.surroundings() {
                Ok(env) => self.push_block(program.root, RUN, env, 0),
                Err(error) => self.end(End::Fail(error)),
            },
            Ok(false) => self.end(End::Complete(json!({"skipped": true}))),
            Err(error) => self.end(End::Fail(error)),
        }
    }

    /// Runs blocks until every one waits for an event.
    fn work(&mut self) {
        while let Some(block) = self.ready.pop_front() {
            self.advance(block);
        }
    }

    fn push_block(&mut self, block: BlockIx, parent: FrameId, env: EnvId, slot: usize) {
        let frame = BlockFrame { block, position: 0, last: Value::Null, slot };
        let id = self.push(parent, env, FrameKind::Block(frame));
        self.ready.push_back(id);
    }

    fn push(&mut self, parent: FrameId, env: EnvId, kind: FrameKind) -> FrameId {
        let id = self.next_frame;
        self.next_frame += 1;
        self.frames.insert(id, Frame { parent, env, kind });
        id
    }

    fn step_mut(&mut self, id: FrameId) -> Option<&mut StepFrame> {
        match &mut self.frames.get_mut(&id)?.kind {
            FrameKind::Step(step) => Some(step),
            FrameKind::Block(_) => None,
        }
    }

    /// How many steps of the top level have ended.
    fn position(&self) -> Option<usize> {
        let top = |frame: &&Frame| frame.parent == RUN;
        self.frames.values().find(top).and_then(|frame| match &frame.kind {
            FrameKind::Block(block) => Some(block.position),
            FrameKind::Step(_) => None,
        })
    }

    fn report_progress(&mut self, before: Option<usize>) {
        if !matches!(self.phase, Phase::Running) {
            return;
        }
        let of = self.program.blocks.get(self.program.root).map_or(0, Vec::len);
        if let Some(done) = self.position().filter(|done| *done > before.unwrap_or(0)) {
            self.out.push(Cmd::Progress(json!({"done": done, "of": of})));
        }
    }

    fn cancel(&mut self, reason: Option<String>) {
        if !matches!(self.phase, Phase::Running) {
            return;
        }
        let mut failure = Failure::cancelled();
        if let Some(reason) = reason.filter(|reason| !reason.is_empty()) {
            failure.message = format!("The run was cancelled: {reason}");
        }
        self.end(End::Fail(failure.into()));
    }
}

#[cfg(test)]
mod tests;
