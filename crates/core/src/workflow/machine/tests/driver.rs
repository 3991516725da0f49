//! A driver made of a script: says what each action answers, records what was commanded.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};

use crate::{
    Timestamp,
    run::Failure,
    workflow::{Cmd, Definition, Entry, Event, Interp, Program},
};

pub(super) fn compile(steps: &Value) -> Arc<Program> {
    whole(&json!({"version": 1, "name": "t", "steps": steps}))
}

pub(super) fn whole(definition: &Value) -> Arc<Program> {
    let definition = Definition::read(definition).unwrap_or_else(|e| panic!("{:?}", e.fields));
    Arc::new(Program::compile(definition).unwrap_or_else(|e| panic!("{:?}", e.fields)))
}

/// An action step that echoes its input.
pub(super) fn act(id: &str, input: impl Into<Value>) -> Value {
    json!({"id": id, "type": "action", "action": "t.act", "input": input.into()})
}

/// An action step with something to undo.
pub(super) fn undoable(id: &str) -> Value {
    let mut step = act(id, json!({}));
    step["compensate"] =
        json!({"action": "t.undo", "input": {"made": format!("{{{{ steps.{id}.output.id }}}}")}});
    step
}

pub(super) fn failure(code: &str) -> Failure {
    Failure {
        code: code.to_owned(),
        message: format!("it said {code}"),
        transient: false,
        retry_after: None,
    }
}

/// One run under a script.
pub(super) struct Run {
    pub(super) interp: Interp,
    pub(super) history: Vec<(Entry, Vec<Cmd>)>,
    pub(super) commands: Vec<Cmd>,
    clock: Timestamp,
}

impl Run {
    pub(super) fn start(program: &Arc<Program>, input: Value) -> Self {
        let interp = Interp::new(Arc::clone(program), input);
        let clock = Timestamp::from_secs(1_000);
        let mut run = Self { interp, history: Vec::new(), commands: Vec::new(), clock };
        run.feed(Event::Started { seed: 42, generation: 0 });
        run
    }

    pub(super) fn feed(&mut self, event: Event) -> Vec<Cmd> {
        self.clock = self.clock.plus_secs(1);
        let commands = self.interp.on(self.clock, event.clone());
        let entry = Entry { at: self.clock, event };
        self.history.push((entry, commands.clone()));
        self.commands.extend(commands.iter().cloned());
        commands
    }

    pub(super) fn done(&mut self, id: &str, output: Value) -> Vec<Cmd> {
        self.feed(Event::Done { id: id.to_owned(), output })
    }

    pub(super) fn failed(&mut self, id: &str, code: &str) -> Vec<Cmd> {
        self.feed(Event::Failed { id: id.to_owned(), error: failure(code), unsure: false })
    }

    pub(super) fn signal(&mut self, name: &str, value: Value) -> Vec<Cmd> {
        self.feed(Event::Signalled { name: name.to_owned(), value })
    }

    pub(super) fn cancel(&mut self) -> Vec<Cmd> {
        self.feed(Event::CancelRequested { reason: None })
    }

    /// Answers every step that is pending until nothing is, `answers` by path; others echo
    /// `{"id": <path>}`. Timers fire.
    pub(super) fn finish(&mut self, answers: &BTreeMap<&str, Result<Value, &str>>) -> &Cmd {
        while !self.interp.is_over() {
            let pending: Vec<String> =
                self.interp.pending().into_iter().map(str::to_owned).collect();
            let id = pending.first().expect("a run that is not over waits for something");
            let timer =
                self.commands.iter().any(|c| matches!(c, Cmd::Timer { id: t, .. } if t == id));
            match answers.get(id.as_str()) {
                _ if timer => self.feed(Event::Fired { id: id.clone() }),
                Some(Ok(output)) => self.done(id, output.clone()),
                Some(Err(code)) => self.failed(id, code),
                None => self.done(id, json!({"id": id})),
            };
        }
        self.commands.last().unwrap()
    }

    /// Ids of all steps commanded so far, in order.
    pub(super) fn steps(&self) -> Vec<&str> {
        ids(&self.commands)
    }

    /// The input a step was commanded with.
    pub(super) fn input(&self, step: &str) -> &Value {
        self.commands
            .iter()
            .find_map(|command| match command {
                Cmd::Step { id, input, .. } if id == step => Some(input),
                _ => None,
            })
            .unwrap_or_else(|| panic!("{step} was not commanded"))
    }
}

pub(super) fn ids(commands: &[Cmd]) -> Vec<&str> {
    commands
        .iter()
        .filter_map(|command| match command {
            Cmd::Step { id, .. } => Some(id.as_str()),
            _ => None,
        })
        .collect()
}

/// Runs to the end with the given answers; returns the last command and the steps commanded.
pub(super) fn outcome(
    steps: &Value,
    input: Value,
    answers: &[(&str, Result<Value, &str>)],
) -> (Cmd, Vec<String>) {
    let mut run = Run::start(&compile(steps), input);
    let answers: BTreeMap<&str, Result<Value, &str>> = answers.iter().cloned().collect();
    let last = run.finish(&answers).clone();
    (last, run.steps().into_iter().map(str::to_owned).collect())
}

pub(super) fn error(command: &Cmd) -> &crate::workflow::RunError {
    match command {
        Cmd::Fail(error) => error,
        other => panic!("expected a failure, got {other:?}"),
    }
}
