//! From a definition to a program, collecting every fault on the way.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::Value;

use super::{
    Call, Definition, Kind, MAX_DEPTH, MAX_FAN_OUT, MAX_SPAN, MAX_STEPS, Span, Step, TriggerType,
    check::{self, Known, Reach},
    program::{BlockIx, Invocation, Node, Op, Program},
    typed,
};
use crate::{Error, Result, error::FieldError};

mod ops;
mod texts;

/// Longest name of a workflow, in characters.
const MAX_NAME_CHARS: usize = 100;

pub(super) fn program(definition: Definition) -> Result<Program> {
    let mut compiler = Compiler { known: known(&definition), ..Compiler::default() };
    compiler.head(&definition);
    let mut reach = Reach::default();
    let when = definition
        .trigger
        .when
        .as_deref()
        .and_then(|when| compiler.expr("/trigger/when", when, &reach));
    let root = compiler.block("/steps", &definition.steps, &mut reach, MAX_DEPTH);
    let output =
        definition.output.as_ref().and_then(|output| compiler.structure("/output", output, &reach));
    if !compiler.faults.is_empty() {
        return Err(Error::invalid_fields(compiler.faults));
    }
    let whole = |node: &Node| node.again.is_some() || node.undo.is_some();
    let scoped = compiler.nodes.iter().any(|node| whole(node) && !matches!(node.op, Op::Action(_)));
    Ok(Program {
        scoped,
        hash: definition.content_hash(),
        definition: Arc::new(definition),
        when,
        nodes: compiler.nodes,
        blocks: compiler.blocks,
        root,
        output,
    })
}

fn known(definition: &Definition) -> Known {
    let steps = definition.walk();
    let set = steps.iter().filter_map(|step| match &step.kind {
        Kind::Set(set) => Some(set.vars.keys().cloned()),
        _ => None,
    });
    Known {
        steps: steps.iter().map(|step| step.id.clone()).collect(),
        vars: definition.vars.keys().cloned().chain(set.flatten()).collect(),
    }
}

#[derive(Default)]
struct Compiler {
    known: Known,
    seen: BTreeSet<String>,
    nodes: Vec<Node>,
    blocks: Vec<Vec<usize>>,
    faults: Vec<FieldError>,
}

impl Compiler {
    fn fault(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.faults.push(FieldError { field: field.into(), message: message.into() });
    }

    fn head(&mut self, definition: &Definition) {
        let length = definition.name.trim().chars().count();
        if !(1..=MAX_NAME_CHARS).contains(&length) {
            self.fault("/name", format!("must have 1 to {MAX_NAME_CHARS} characters"));
        }
        let count = definition.walk().len();
        if !(1..=MAX_STEPS).contains(&count) {
            self.fault("/steps", format!("there are {count} steps; 1 to {MAX_STEPS} are possible"));
        }
        self.faults.extend(typed::declaration_faults("/inputs", &definition.inputs));
        self.faults.extend(typed::declaration_faults("/outputs", &definition.outputs));
        for name in definition.vars.keys().filter(|name| !check::is_identifier(name)) {
            self.fault("/vars", format!("`{name}` cannot be a name; use letters, digits and `_`"));
        }
        let config = &definition.trigger.config;
        let has = |name: &str| config.get(name).is_some_and(Value::is_string);
        match definition.trigger.kind {
            TriggerType::Schedule
                if !["schedule", "cron", "frequency", "every"].into_iter().any(has) =>
            {
                let message = "name a `schedule`, such as \"hourly\", or a `cron` expression";
                self.fault("/trigger/config", message);
            }
            TriggerType::Webhook if config.contains_key("event") && !has("event") => {
                self.fault("/trigger/config/event", "must be a text such as \"contact.creation\"");
            }
            _ => {}
        }
    }

    /// Compiles steps that run one after the other; what they make comes into reach.
    fn block(&mut self, at: &str, steps: &[Step], reach: &mut Reach, depth: usize) -> BlockIx {
        let mut block = Vec::with_capacity(steps.len());
        if let Some(depth) = depth.checked_sub(1) {
            for (index, step) in steps.iter().enumerate() {
                if let Some(node) = self.step(&format!("{at}/{index}"), step, reach, depth) {
                    block.push(self.nodes.len());
                    self.nodes.push(node);
                }
                reach.steps.insert(step.id.clone());
            }
        } else if !steps.is_empty() {
            self.fault(at, format!("steps are nested deeper than {MAX_DEPTH} levels"));
        }
        self.blocks.push(block);
        self.blocks.len() - 1
    }

    fn step(&mut self, at: &str, step: &Step, reach: &mut Reach, depth: usize) -> Option<Node> {
        if !check::is_identifier(&step.id) {
            let message = "must be 1 to 64 letters, digits and `_`, and not begin with a digit";
            self.fault(format!("{at}/id"), message);
        }
        if !self.seen.insert(step.id.clone()) {
            self.fault(format!("{at}/id"), format!("`{}` is the id of another step", step.id));
        }
        for (field, message) in step.retry.iter().flat_map(super::RetryPolicy::faults) {
            self.fault(format!("{at}/retry/{field}"), message);
        }
        self.span(&format!("{at}/timeout"), step.timeout);
        self.policies(at, step);
        let when = step.when.as_deref().map(|when| self.expr(&format!("{at}/when"), when, reach));
        let op = self.op(at, &step.kind, reach, depth);
        let undo = step.compensate.as_ref().map(|call| {
            let mut reach = reach.clone();
            reach.steps.insert(step.id.clone());
            self.call(&format!("{at}/compensate"), call, &reach)
        });
        let on_error = self.handler(at, step, reach, depth);
        Some(Node {
            id: step.id.as_str().into(),
            name: step.name.as_deref().unwrap_or(&step.id).into(),
            when: flatten(when)?,
            continue_on_error: step.continue_on_error,
            on_error,
            skip: step.skip,
            retry: step.retry.unwrap_or_default(),
            again: step.retry.filter(|_| !matches!(step.kind, Kind::Action(_))),
            timeout: step.timeout,
            undo: flatten(undo)?,
            op: op?,
        })
    }

    /// Refuses policies that mean nothing for a step, saying why.
    fn policies(&mut self, at: &str, step: &Step) {
        let name = step.kind.name();
        let given = [
            ("retry", step.retry.is_some(), step.kind.refuses_retry()),
            ("timeout", step.timeout.is_some(), step.kind.refuses_timeout()),
            ("compensate", step.compensate.is_some(), step.kind.refuses_compensate()),
        ];
        for (field, given, refusal) in given {
            if let (true, Some(why)) = (given, refusal) {
                self.fault(format!("{at}/{field}"), format!("a step of type `{name}` {why}"));
            }
        }
    }

    /// Compiles what is to be done if a step fails. It sees the step's error, and what comes
    /// later may see what it did.
    fn handler(
        &mut self,
        at: &str,
        step: &Step,
        reach: &mut Reach,
        depth: usize,
    ) -> Option<BlockIx> {
        if step.on_error.is_empty() {
            return None;
        }
        if step.continue_on_error {
            let message = "a step goes on with `continue_on_error` or with `on_error`, not both";
            self.fault(format!("{at}/on_error"), message);
        }
        let mut inside = reach.clone();
        inside.steps.insert(step.id.clone());
        let block = self.block(&format!("{at}/on_error"), &step.on_error, &mut inside, depth);
        reach.steps.extend(inside.steps);
        Some(block)
    }

    fn call(&mut self, at: &str, call: &Call, reach: &Reach) -> Option<Invocation> {
        if call.action.trim().is_empty() {
            self.fault(format!("{at}/action"), "name an action, such as `slack.post_message`");
        }
        Some(Invocation {
            action: call.action.as_str().into(),
            connection: call.connection.as_deref().map(Into::into),
            input: self.structure(&format!("{at}/input"), &call.input, reach)?,
        })
    }

    fn span(&mut self, at: &str, span: Option<Span>) {
        if span.is_some_and(|span| span > MAX_SPAN) {
            self.fault(at, format!("is longer than {MAX_SPAN}"));
        }
        if span == Some(Span::default()) {
            self.fault(at, "must be longer than zero");
        }
    }

    fn fan_out(&mut self, at: &str, count: usize) {
        if !(1..=MAX_FAN_OUT).contains(&count) {
            self.fault(at, format!("must be 1 to {MAX_FAN_OUT}"));
        }
    }
}

/// `Some(None)` is a part that was there and did not compile.
fn flatten<T>(part: Option<Option<T>>) -> Option<Option<T>> {
    match part {
        None => Some(None),
        Some(None) => None,
        Some(part) => Some(part),
    }
}
