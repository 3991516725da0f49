//! Testing a workflow: a run in which nothing happens outside and no time passes.
//!
//! [`Trial`] drives a machine with what a [`Plan`] says: pinned outcomes, given signals, an order.
//! What the plan does not know it asks its caller for, who may look something up, do it, or say
//! that it was not done. It holds no clock: times come when nothing else is left to do.

mod expected;
mod fault;
mod plan;
mod recorded;
mod report;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use serde::Serialize;
use serde_json::{Value, json};

pub use self::{
    expected::{Expected, ExpectedStep},
    plan::{By, Cue, Decision, Plan, Scope},
    recorded::recorded,
    report::{Report, Status, StepReport, WaitReport},
};
use super::{
    APPROVAL_SIGNAL, ChildOutcome, Cmd, Event, Interp, Program, RunError,
    machine::{Alone, Rehearsal, of_step},
};
use crate::{Result, Timestamp, run::Failure};

/// Most calls one test makes of its caller: what is looked up or done, one after the other.
pub const MAX_CALLS: usize = 200;

/// A run that is a test.
#[derive(Debug)]
pub struct Trial {
    program: Arc<Program>,
    plan: Plan,
    interp: Interp,
    began: Timestamp,
    clock: Timestamp,
    /// What was asked for and has no answer.
    asked: VecDeque<Call>,
    /// Paths of those that were told to stop.
    stopped: BTreeSet<String>,
    timers: BTreeMap<String, Timestamp>,
    /// The names of the signals that are waited for, by path.
    waits: BTreeMap<String, String>,
    /// Signals not taken yet.
    signals: BTreeMap<String, VecDeque<Value>>,
    /// The places of what is still to come in the order, by path.
    cues: BTreeMap<(String, By), VecDeque<usize>>,
    notes: BTreeMap<String, Note>,
    /// Undoings, in order.
    undone: Vec<String>,
    calls: usize,
    end: Option<Cmd>,
}

/// Something a step asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The step's path.
    pub path: String,
    /// What people call it.
    pub name: String,
    /// What it asks for.
    pub what: What,
    /// What that is given.
    pub input: Value,
    /// The last part of the idempotency key.
    pub key_suffix: String,
    /// Whether it undoes a step.
    pub undo: bool,
}

/// What a call asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// An action, with the integration to use.
    Action(String, Option<String>),
    /// Another workflow, by id or name.
    Workflow(String),
}

/// How it came that a step ended as it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// It asks nothing of the outside.
    Evaluated,
    /// It was done: it reads only, or the test was told to do all.
    Performed,
    /// It was not done; what it would have given is known.
    Simulated,
    /// It was not done, and nobody knows what it would have given.
    NotPerformed,
    /// Its outcome was pinned.
    Pinned,
    /// Its signal or decision was given.
    Given,
    /// Its time came.
    TimePassed,
}

/// What is known of a step beside what the machine knows.
#[derive(Debug, Default)]
struct Note {
    call: Option<Call>,
    how: Option<How>,
    wait: Option<WaitReport>,
    /// Of an undoing: how it ended.
    outcome: Option<Result<Value, Failure>>,
}

/// What a test is at.
#[derive(Debug)]
pub enum Turn {
    /// The plan does not say how this ends: answer with [`Trial::answer`].
    Ask(Call),
    /// Nothing is left to do.
    Over,
}

/// What comes next.
enum Next {
    Call(usize),
    Signal(String),
    Time(String),
}

impl Trial {
    /// A test that begins `now`, unless the plan says when.
    ///
    /// # Errors
    /// `invalid` when the plan names a step there is not.
    pub fn begin(program: Program, plan: Plan, now: Timestamp) -> Result<Self> {
        let (program, rehearsal) = staged(program, &plan)?;
        let program = Arc::new(program);
        let mut cues: BTreeMap<(String, By), VecDeque<usize>> = BTreeMap::new();
        for (place, cue) in plan.order.iter().enumerate() {
            cues.entry((cue.step.clone(), cue.by)).or_default().push_back(place);
        }
        let signals = plan.signals.clone().into_iter();
        let interp = Interp::rehearse(program.clone(), plan.input.clone(), rehearsal);
        let mut trial = Self {
            program,
            interp,
            began: now,
            clock: plan.at.unwrap_or(now),
            asked: VecDeque::new(),
            stopped: BTreeSet::new(),
            timers: BTreeMap::new(),
            waits: BTreeMap::new(),
            signals: signals.map(|(name, values)| (name, values.into())).collect(),
            cues,
            notes: BTreeMap::new(),
            undone: Vec::new(),
            calls: 0,
            end: None,
            plan,
        };
        let (seed, generation) = (trial.plan.seed, trial.plan.generation);
        trial.feed(Event::Started { seed, generation });
        Ok(trial)
    }

    /// Goes on until something is to be asked or nothing is left.
    pub fn turn(&mut self) -> Turn {
        while self.end.is_none() {
            match self.next() {
                None => return Turn::Over,
                Some(Next::Time(path)) => self.pass_time(path),
                Some(Next::Signal(path)) => self.signal(&path),
                Some(Next::Call(index)) => {
                    let Some(call) = self.asked.remove(index) else { continue };
                    match self.known(&call) {
                        Some((how, outcome)) => self.settle(call, how, outcome),
                        None => return Turn::Ask(call),
                    }
                }
            }
        }
        Turn::Over
    }

    /// Answers a call.
    pub fn answer(&mut self, call: Call, how: How, outcome: Result<Value, Failure>) {
        self.calls += 1;
        self.settle(call, how, outcome);
    }

    /// Whether no more may be asked of the caller: see [`MAX_CALLS`].
    pub fn is_spent(&self) -> bool {
        self.calls >= MAX_CALLS
    }

    fn feed(&mut self, event: Event) {
        for command in self.interp.on(self.clock, event) {
            self.take(command);
        }
        let pending: BTreeSet<&str> = self.interp.pending().into_iter().collect();
        self.waits.retain(|path, _| pending.contains(path.as_str()));
        self.timers.retain(|path, _| pending.contains(path.as_str()));
    }

    fn take(&mut self, command: Cmd) {
        match command {
            Cmd::Step { id, name, action, connection, input, key_suffix, compensation, .. } => {
                let what = What::Action(action, connection);
                self.ask(Call { path: id, name, what, input, key_suffix, undo: compensation });
            }
            Cmd::Child { id, workflow, input, key_suffix, .. } => {
                let (what, name) = (What::Workflow(workflow), id.clone());
                self.ask(Call { path: id, name, what, input, key_suffix, undo: false });
            }
            Cmd::Timer { id, at } => {
                self.note(&id).wait = Some(WaitReport { until: Some(at), ..WaitReport::default() });
                self.timers.insert(id, at);
            }
            Cmd::AwaitSignal { id, name, deadline, meta } => {
                let asks = meta.is_some();
                self.note(&id).wait = Some(WaitReport {
                    until: deadline,
                    signal: (!asks).then(|| name.clone()),
                    asks: meta,
                });
                match deadline {
                    Some(at) => self.timers.insert(id.clone(), at),
                    None => self.timers.remove(&id),
                };
                self.waits.insert(id, name);
            }
            Cmd::Cancel { id } => {
                if self.asked.iter().any(|call| call.path == id) {
                    self.stopped.insert(id);
                }
            }
            Cmd::Progress(_) => {}
            end @ (Cmd::ContinueAs(_) | Cmd::Complete(_) | Cmd::Fail(_)) => self.end = Some(end),
        }
    }

    fn note(&mut self, path: &str) -> &mut Note {
        self.notes.entry(path.to_owned()).or_default()
    }

    fn ask(&mut self, call: Call) {
        if call.undo {
            self.undone.push(call.path.clone());
        }
        self.note(&call.path).call = Some(call.clone());
        self.asked.push_back(call);
    }

    /// What comes next: what the order names first, else calls as they were asked, signals that
    /// are there, times.
    fn next(&self) -> Option<Next> {
        let calls = self.asked.iter().enumerate();
        let calls = calls.map(|(index, call)| (&call.path, By::Answer, Next::Call(index)));
        let signals = self.waits.iter().filter(|(path, name)| self.has_signal(path, name));
        let signals = signals.map(|(path, _)| (path, By::Signal, Next::Signal(path.clone())));
        let times = self.timers.keys().map(|path| (path, By::Time, Next::Time(path.clone())));
        let place = |path: &String, by: By| self.cues.get(&(path.clone(), by))?.front().copied();
        let cued = calls.clone().chain(signals.clone()).chain(times);
        let cued = cued.filter_map(|(path, by, next)| Some((place(path, by)?, next)));
        if let Some((_, next)) = cued.min_by_key(|(place, _)| *place) {
            return Some(next);
        }
        if let Some((.., next)) = calls.chain(signals).next() {
            return Some(next);
        }
        let earliest = self.timers.iter().min_by_key(|(path, at)| (**at, (*path).clone()));
        earliest.map(|(path, _)| Next::Time(path.clone()))
    }

    fn has_signal(&self, path: &str, name: &str) -> bool {
        match name.strip_prefix(APPROVAL_SIGNAL) {
            Some(_) => of_step(&self.plan.approvals, path).is_some(),
            None => self.signals.get(name).is_some_and(|values| !values.is_empty()),
        }
    }

    /// The outcome of a call as the plan has it.
    fn known(&self, call: &Call) -> Option<(How, Result<Value, Failure>)> {
        let pinned = of_step(&self.plan.pinned, &call.path).map(|pin| (How::Pinned, pin.outcome()));
        let cued = self.cues.contains_key(&(call.path.clone(), By::Answer));
        if self.stopped.contains(&call.path) && !cued {
            return Some((How::NotPerformed, Err(Failure::cancelled())));
        }
        pinned
    }

    fn settle(&mut self, call: Call, how: How, outcome: Result<Value, Failure>) {
        self.cued(&call.path, By::Answer);
        let note = self.note(&call.path);
        note.how = Some(how);
        note.outcome = Some(outcome.clone());
        let (id, is_child) = (call.path, matches!(call.what, What::Workflow(_)));
        self.feed(match (is_child, outcome) {
            (false, Ok(output)) => Event::Done { id, output },
            (false, Err(error)) => Event::Failed { id, error, unsure: false },
            (true, Ok(output)) => Event::ChildDone { id, result: ChildOutcome::Output(output) },
            (true, Err(error)) => {
                let result = ChildOutcome::Error(RunError::from(error));
                Event::ChildDone { id, result }
            }
        });
    }

    fn signal(&mut self, path: &str) {
        let Some(name) = self.waits.get(path).cloned() else { return };
        let value = match name.strip_prefix(APPROVAL_SIGNAL) {
            Some(_) => of_step(&self.plan.approvals, path).map(|decision| {
                json!({
                    "approved": decision.approved, "comment": decision.comment,
                    "by": decision.by,
                })
            }),
            None => self.signals.get_mut(&name).and_then(VecDeque::pop_front),
        };
        self.cued(path, By::Signal);
        self.note(path).how = Some(How::Given);
        self.feed(Event::Signalled { name, value: value.unwrap_or_default() });
    }

    fn pass_time(&mut self, path: String) {
        let at = self.timers.remove(&path);
        self.clock = self.clock.max(at.unwrap_or(self.clock));
        self.cued(&path, By::Time);
        self.note(&path).how = Some(How::TimePassed);
        self.feed(Event::Fired { id: path });
    }

    fn cued(&mut self, path: &str, by: By) {
        if let Some(places) = self.cues.get_mut(&(path.to_owned(), by)) {
            places.pop_front();
        }
    }
}

/// The program and what is changed about its run.
fn staged(program: Program, plan: &Plan) -> Result<(Program, Rehearsal)> {
    let mut rehearsal = Rehearsal::new(plan.pinned.clone(), plan.vars.clone());
    let Some(wanted) = plan.scope.step() else { return Ok((program, rehearsal)) };
    let Some(around) = plan::around(program.definition(), plan::id_of(wanted)) else {
        return Err(plan::unknown_step("step", wanted, program.definition()));
    };
    match &plan.scope {
        Scope::Step(step) => {
            let turn = |id: &str| plan.loops.get(id).cloned().unwrap_or_default();
            let loops = around.into_iter().map(|(id, name)| (turn(&id), name)).collect();
            rehearsal.alone = Some(Alone { loops });
            rehearsal.pins.remove(step);
            let definition = program.definition().clone();
            let alone = program.alone(step);
            let unknown = || plan::unknown_step("step", step, &definition);
            Ok((alone.ok_or_else(unknown)?, rehearsal))
        }
        Scope::Until(step) => {
            rehearsal.until = Some(step.clone());
            Ok((program, rehearsal))
        }
        Scope::Whole => Ok((program, rehearsal)),
    }
}

#[cfg(test)]
mod tests;
