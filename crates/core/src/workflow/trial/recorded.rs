//! A test made of a run that was recorded.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use super::{By, Cue, Decision, Plan};
use crate::{
    run::Failure,
    workflow::{
        APPROVAL_SIGNAL, ChildOutcome, Cmd, Entry, Event, Interp, Program,
        machine::{Pin, PinnedError},
    },
};

/// The plan that repeats a recorded run: all that came from outside is pinned, in its order.
/// Actions that `is_pure` are left to the test: what they give follows from what they are given.
pub fn recorded(
    program: &Arc<Program>,
    input: &Value,
    entries: &[Entry],
    is_pure: impl Fn(&str) -> bool,
) -> Plan {
    let mut recording = Recording {
        interp: Interp::new(Arc::clone(program), input.clone()),
        actions: BTreeMap::new(),
        plan: Plan { input: input.clone(), ..Plan::default() },
    };
    for entry in entries {
        if let Event::Started { seed, generation } = &entry.event {
            recording.plan.at = Some(entry.at);
            recording.plan.seed = *seed;
            recording.plan.generation = *generation;
        }
        recording.learn(entry, &is_pure);
    }
    recording.plan
}

struct Recording {
    interp: Interp,
    /// What each path called.
    actions: BTreeMap<String, String>,
    plan: Plan,
}

impl Recording {
    fn learn(&mut self, entry: &Entry, is_pure: &impl Fn(&str) -> bool) {
        let before: Vec<String> = self.interp.pending().into_iter().map(str::to_owned).collect();
        let waited = |id: &String| before.contains(id);
        match &entry.event {
            Event::Done { id, output } if waited(id) => {
                self.answered(id, Pin::Output(output.clone()), is_pure);
            }
            Event::Failed { id, error, .. } if waited(id) => {
                self.answered(id, Pin::Error(pinned(error)), is_pure);
            }
            Event::ChildDone { id, result } if waited(id) => {
                let pin = match result {
                    ChildOutcome::Output(output) => Pin::Output(output.clone()),
                    ChildOutcome::Error(error) => {
                        Pin::Error(pinned(&error.clone().of_child().failure))
                    }
                };
                self.answered(id, pin, is_pure);
            }
            Event::Fired { id } if waited(id) => self.cue(id, By::Time),
            Event::Signalled { name, value } => {
                if let Some(id) = self.interp.serves(name).map(str::to_owned) {
                    self.cue(&id, By::Signal);
                }
                self.given(name, value);
            }
            _ => {}
        }
        for command in self.interp.replay(entry.clone()) {
            if let Cmd::Step { id, action, .. } = command {
                self.actions.insert(id, action);
            }
        }
    }

    fn answered(&mut self, id: &str, pin: Pin, is_pure: &impl Fn(&str) -> bool) {
        self.cue(id, By::Answer);
        if !self.actions.get(id).is_some_and(|action| is_pure(action)) {
            self.plan.pinned.insert(id.to_owned(), pin);
        }
    }

    fn cue(&mut self, id: &str, by: By) {
        self.plan.order.push(Cue { step: id.to_owned(), by });
    }

    fn given(&mut self, name: &str, value: &Value) {
        let Some(step) = name.strip_prefix(APPROVAL_SIGNAL) else {
            self.plan.signals.entry(name.to_owned()).or_default().push(value.clone());
            return;
        };
        let text = |member: &str| value.get(member).and_then(Value::as_str).unwrap_or_default();
        let decision = Decision {
            approved: value.get("approved") == Some(&Value::Bool(true)),
            comment: text("comment").to_owned(),
            by: text("by").to_owned(),
        };
        // A second answer to the same question changed nothing.
        self.plan.approvals.entry(step.to_owned()).or_insert(decision);
    }
}

fn pinned(error: &Failure) -> PinnedError {
    PinnedError { code: error.code.clone(), message: error.message.clone() }
}
