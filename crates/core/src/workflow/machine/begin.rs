//! Beginning steps.

use std::sync::Arc;

use serde_json::Value;

use super::{
    Cmd, FrameId, FrameKind, Interp, Policy, RunError, SignalWait, State, StepFrame,
    attempts::Tries,
    data::EnvId,
    end::UNDO,
    frame::{End, Group},
};
use crate::{
    expr::Interpolation,
    workflow::{
        MAX_EXECUTED_STEPS, MAX_GENERATIONS, MAX_LOOP_ITEMS,
        program::{BlockIx, Invocation, Items, Node, NodeIx, Op},
    },
};

/// What became of a step that was begun.
pub(super) enum Begun {
    /// It ended at once.
    Ended(Result<Value, RunError>),
    /// It was left out.
    Skipped,
    /// It waits, or the run ends.
    Pending,
}

/// Where a step begins.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) node: NodeIx,
    pub(super) block: FrameId,
    pub(super) env: EnvId,
    pub(super) path: &'a str,
    pub(super) tries: Tries,
}

impl Interp {
    /// Begins a step of a block.
    pub(super) fn begin(&mut self, node: NodeIx, block: FrameId, env: EnvId) -> Begun {
        let program = Arc::clone(&self.program);
        let Some(step) = program.nodes.get(node) else { return Begun::Skipped };
        if step.skip {
            return Begun::Skipped;
        }
        match step.when.as_ref().map_or(Ok(true), |when| self.data.test(env, when)) {
            Ok(true) => {}
            Ok(false) => return Begun::Skipped,
            Err(error) => return Begun::Ended(Err(error)),
        }
        self.executed += 1;
        if self.executed > MAX_EXECUTED_STEPS {
            let message = format!("The run began more than {MAX_EXECUTED_STEPS} steps.");
            self.end(End::Fail(RunError::new("limit", message).at(&step.id)));
            return Begun::Pending;
        }
        let path = self.data.path(env, &step.id);
        if let Some(outcome) = self.rehearsed(&path, step) {
            return Begun::Ended(outcome);
        }
        let tries = Tries::first(self.now);
        let place = Place { node, block, env, path: &path, tries };
        self.operate(place, step).unwrap_or_else(|error| Begun::Ended(Err(error)))
    }

    pub(super) fn operate(&mut self, at: Place<'_>, node: &Node) -> Result<Begun, RunError> {
        let env = at.env;
        match &node.op {
            Op::Action(call) => self.call(at, node, call),
            Op::Workflow { workflow, input } => self.child(at, node, workflow, input),
            Op::Branch { condition, then, otherwise } => {
                let holds = self.data.test(env, condition)?;
                self.took(at.path, || if holds { "then" } else { "else" }.to_owned());
                Ok(self.group(at, &[if holds { *then } else { *otherwise }], 1, true))
            }
            Op::Switch { cases, otherwise } => {
                let mut way = (None, *otherwise);
                for (index, (when, block)) in cases.iter().enumerate() {
                    if self.data.test(env, when)? {
                        way = (Some(index), *block);
                        break;
                    }
                }
                self.took(at.path, || {
                    way.0.map_or_else(|| "default".to_owned(), |case| format!("cases/{case}"))
                });
                Ok(self.group(at, &[way.1], 1, true))
            }
            Op::Parallel { branches, needed } => Ok(self.group(at, branches, *needed, false)),
            Op::ForEach { .. } => self.begin_loop(at, node),
            Op::Pause(span) => Ok(self.timer(at, span.after(self.now))),
            Op::Until(time) => self.until(at, time),
            Op::Signal { name, deadline, on_deadline } => {
                let name = self.data.text(env, name)?;
                let wait = SignalWait {
                    name,
                    has_deadline: deadline.is_some(),
                    on_deadline: *on_deadline,
                    ask: None,
                    escalation: None,
                };
                let deadline = deadline.map(|span| span.after(self.now));
                Ok(self.signal(at, wait, deadline, None))
            }
            Op::Approval(ask) => self.approval(at, ask),
            Op::Set(vars) => {
                let values = self.data.fill(env, vars)?;
                self.data.set_vars(&values);
                Ok(Begun::Ended(Ok(values)))
            }
            Op::Fail { message, code } => Err(RunError::new(code, self.data.text(env, message)?)),
            Op::Stop(output) => {
                let output = self.data.fill(env, output)?;
                self.note_end(at.path, node, &Ok(output.clone()));
                self.complete(output);
                Ok(Begun::Pending)
            }
            Op::Restart(input) => {
                let input = self.data.fill(env, input)?;
                if self.generation >= MAX_GENERATIONS {
                    let message = format!("The run started over {MAX_GENERATIONS} times.");
                    return Err(RunError::new("limit", message));
                }
                self.note_end(at.path, node, &Ok(input.clone()));
                self.end(End::ContinueAs(input));
                Ok(Begun::Pending)
            }
        }
    }

    fn call(&mut self, at: Place<'_>, node: &Node, call: &Invocation) -> Result<Begun, RunError> {
        let input = self.data.fill(at.env, &call.input)?;
        self.wait(at, State::Answer);
        let doubted = self.doubted(at, &input);
        let command = self.command(at.path.to_owned(), node, call, input, doubted.as_deref());
        self.out.push(command);
        Ok(Begun::Pending)
    }

    /// The command that executes a call, to do a step or to undo one. `doubted` is the path under
    /// whose key it was asked for before.
    pub(super) fn command(
        &self,
        id: String,
        node: &Node,
        call: &Invocation,
        input: Value,
        doubted: Option<&str>,
    ) -> Cmd {
        Cmd::Step {
            name: node.name.as_ref().into(),
            action: call.action.as_ref().into(),
            connection: call.connection.as_deref().map(str::to_owned),
            input,
            policy: policy(node),
            key_suffix: self.key_suffix(doubted.unwrap_or(&id)),
            compensation: id.ends_with(UNDO),
            unsure: doubted.is_some(),
            id,
        }
    }

    fn child(
        &mut self,
        at: Place<'_>,
        node: &Node,
        workflow: &str,
        input: &Interpolation,
    ) -> Result<Begun, RunError> {
        let input = self.data.fill(at.env, input)?;
        self.wait(at, State::Answer);
        self.out.push(Cmd::Child {
            id: at.path.to_owned(),
            workflow: workflow.to_owned(),
            input,
            policy: policy(node),
            key_suffix: self.key_suffix(at.path),
        });
        Ok(Begun::Pending)
    }

    fn key_suffix(&self, path: &str) -> String {
        match self.generation {
            0 => path.to_owned(),
            generation => format!("g{generation}/{path}"),
        }
    }

    /// Remembers that a step waits under its path.
    pub(super) fn wait(&mut self, at: Place<'_>, state: State) -> FrameId {
        let group = matches!(state, State::Group(_));
        let Place { node, tries, .. } = at;
        let step = StepFrame { node, path: at.path.to_owned(), state, handling: false, tries };
        let id = self.push(at.block, at.env, FrameKind::Step(step));
        if !group {
            self.pending.insert(at.path.to_owned(), id);
        }
        self.limit(id, at);
        id
    }

    /// Begins blocks that end together, once `needed` of them have come to their end.
    fn group(&mut self, at: Place<'_>, blocks: &[BlockIx], needed: usize, single: bool) -> Begun {
        let mut group = Group::new(blocks.len(), needed, single);
        group.running = blocks.len();
        let step = self.wait(at, State::Group(group));
        let env = match at.tries.is_repeated() {
            true => self.data.open_attempt(at.env, format!("{}.", at.path)),
            false => at.env,
        };
        for (slot, block) in blocks.iter().enumerate() {
            self.push_block(*block, step, env, slot);
        }
        Begun::Pending
    }

    fn begin_loop(&mut self, at: Place<'_>, node: &Node) -> Result<Begun, RunError> {
        let Op::ForEach { items, concurrency, .. } = &node.op else { return Ok(Begun::Skipped) };
        let items = match items {
            Items::Computed(expr) => self.data.eval(at.env, expr)?,
            Items::Listed(list) => self.data.fill(at.env, list)?,
        };
        let Value::Array(items) = items else {
            let message = format!("`items` must be a list; it is `{}`", excerpt(&items));
            return Err(RunError::new("expression", message));
        };
        if items.len() > MAX_LOOP_ITEMS {
            let message = format!(
                "The loop has {} items; at most {MAX_LOOP_ITEMS} are possible. Sync large data \
                 with a data flow.",
                items.len()
            );
            return Err(RunError::new("limit", message));
        }
        self.took(at.path, || format!("{} items", items.len()));
        if items.is_empty() {
            return Ok(Begun::Ended(Ok(Value::Array(Vec::new()))));
        }
        let first = (*concurrency).min(items.len());
        let mut group = Group::new(items.len(), items.len(), false);
        group.items = items.into_iter().enumerate();
        let step = self.wait(at, State::Group(group));
        for _ in 0..first {
            self.next_item(step);
        }
        Ok(Begun::Pending)
    }

    /// Begins the next item of a loop, if there is one.
    pub(super) fn next_item(&mut self, step: FrameId) {
        let program = Arc::clone(&self.program);
        let Some(parent) = self.frames.get(&step).map(|frame| frame.env) else { return };
        let Some(StepFrame { node, path, state: State::Group(group), .. }) = self.step_mut(step)
        else {
            return;
        };
        let Some(Op::ForEach { body, alias, .. }) = program.nodes.get(*node).map(|n| &n.op) else {
            return;
        };
        let Some((index, item)) = group.items.next() else { return };
        group.running += 1;
        let prefix = format!("{path}[{index}].");
        let env = self.data.open(parent, prefix, item, index, alias.clone());
        self.push_block(*body, step, env, index);
    }
}

fn policy(node: &Node) -> Policy {
    Policy { retry: node.retry, timeout: node.timeout }
}

fn excerpt(value: &Value) -> String {
    value.to_string().chars().take(60).collect()
}
