//! Ending steps and blocks, well or badly.

use std::sync::Arc;

use serde_json::Value;

use super::{
    End, FrameId, FrameKind, Interp, RUN, RunError, State, StepFrame, attempts::Tries,
    begin::Begun, data::EnvId, frame::Group,
};
use crate::workflow::program::{BlockIx, NodeIx, Op};

/// A step that has ended.
pub(super) struct Ending {
    pub(super) node: NodeIx,
    pub(super) env: EnvId,
    /// The path of its attempt, where that is not its own.
    pub(super) path: Option<String>,
    /// Its frame, if it had one.
    pub(super) frame: Option<FrameId>,
}

impl Interp {
    /// Runs a block until it waits or ends. Steps that end at once are passed in this loop, not
    /// by recursion: a loop of ten thousand of them must not need a deep stack.
    pub(super) fn advance(&mut self, id: FrameId) {
        let program = Arc::clone(&self.program);
        loop {
            let Some(frame) = self.frames.get(&id) else { return };
            let (parent, env) = (frame.parent, frame.env);
            let FrameKind::Block(block) = &frame.kind else { return };
            let steps = program.blocks.get(block.block).map_or(&[][..], Vec::as_slice);
            let Some(node) = steps.get(block.position).copied() else {
                self.block_done(id, parent, env);
                return;
            };
            match self.begin(node, id, env) {
                Begun::Pending => return,
                Begun::Skipped => self.skip(id, node, env),
                Begun::Ended(outcome) => {
                    let ending = Ending { node, env, path: None, frame: None };
                    if !self.settle(id, ending, outcome) {
                        return;
                    }
                }
            }
        }
    }

    /// A pending step has ended.
    pub(super) fn finish(&mut self, step: FrameId, outcome: Result<Value, RunError>) {
        self.drop_limit(step);
        if let Err(error) = &outcome
            && self.try_again(step, error)
        {
            return;
        }
        let Some(frame) = self.frames.remove(&step) else { return };
        let FrameKind::Step(StepFrame { node, path, handling, .. }) = frame.kind else { return };
        self.pending.remove(&path);
        match outcome {
            Ok(output) if handling => self.next_step(frame.parent, Some(output)),
            Err(error) if handling => self.fail_block(frame.parent, error),
            outcome => {
                let (env, path) = (frame.env, Some(path));
                let ending = Ending { node, env, path, frame: Some(step) };
                if !self.settle(frame.parent, ending, outcome) {
                    return;
                }
            }
        }
        self.ready.push_back(frame.parent);
    }

    /// Takes the answer of an action or a child.
    pub(super) fn answered(&mut self, id: &str, outcome: Result<Value, RunError>) {
        let Some(step) = self.pending.get(id).copied() else {
            return self.undone(id, outcome);
        };
        match self.step_mut(step).map(|step| &step.state) {
            Some(State::Answer) => self.finish(step, outcome),
            Some(State::Cancelling) => self.cancelled(step, &outcome),
            Some(State::Late) => self.answered_late(step, &outcome),
            Some(State::Undoing(_)) => self.undone_inside(step, id, outcome),
            _ => {}
        }
    }

    fn skip(&mut self, block: FrameId, node: NodeIx, env: EnvId) {
        let program = Arc::clone(&self.program);
        let Some(step) = program.nodes.get(node) else { return };
        self.left_out(&self.data.path(env, &step.id), step);
        match self.data.record_skipped(env, &step.id) {
            Ok(()) => self.next_step(block, None),
            Err(error) => self.fail_block(block, error.at(&self.data.path(env, &step.id))),
        }
    }

    /// Records how a step ended and moves its block on, or fails it. False when its block waits
    /// for what is done about its failure.
    pub(super) fn settle(
        &mut self,
        block: FrameId,
        ending: Ending,
        outcome: Result<Value, RunError>,
    ) -> bool {
        let Ending { node, env, path: attempt, frame } = ending;
        let program = Arc::clone(&self.program);
        let Some(step) = program.nodes.get(node) else { return true };
        let path = self.data.path(env, &step.id);
        let outcome = outcome.map_err(|error| error.at(&path));
        let recorded = self.data.record(env, &step.id, &outcome);
        if outcome.is_ok() {
            let scopes = self.scopes(block);
            self.remember_undo(node, env, attempt.as_deref().unwrap_or(&path), scopes, frame);
        }
        self.note_end(&path, step, &outcome);
        if self.end_after(&path, step) {
            return true;
        }
        match (recorded, outcome) {
            // Over the limit there is no going on, whatever may fail.
            (Err(limit), Ok(_)) => self.fail_block(block, limit.at(&path)),
            (Err(_), Err(error)) => self.fail_block(block, error),
            (Ok(()), Ok(output)) => self.next_step(block, Some(output)),
            (Ok(()), Err(_)) if step.continue_on_error => self.next_step(block, Some(Value::Null)),
            (Ok(()), Err(error)) => match step.on_error {
                Some(handler) => {
                    self.handle((node, path), handler, block, env);
                    return false;
                }
                None => self.fail_block(block, error),
            },
        }
        true
    }

    /// Begins what is to be done about a step that failed.
    fn handle(
        &mut self,
        (node, path): (NodeIx, String),
        handler: BlockIx,
        block: FrameId,
        env: EnvId,
    ) {
        let mut group = Group::new(1, 1, true);
        group.running = 1;
        let state = State::Group(group);
        let tries = Tries::first(self.now);
        let step = StepFrame { node, path, state, handling: true, tries };
        let step = self.push(block, env, FrameKind::Step(step));
        self.push_block(handler, step, env, 0);
    }

    fn next_step(&mut self, block: FrameId, output: Option<Value>) {
        if let Some(FrameKind::Block(block)) = self.frames.get_mut(&block).map(|f| &mut f.kind) {
            block.position += 1;
            if let Some(output) = output {
                block.last = output;
            }
        }
    }

    /// A block has no more steps.
    fn block_done(&mut self, id: FrameId, parent: FrameId, env: EnvId) {
        let Some(frame) = self.frames.remove(&id) else { return };
        let FrameKind::Block(block) = frame.kind else { return };
        if parent == RUN {
            let program = Arc::clone(&self.program);
            let output = match &program.output {
                Some(output) => self.data.fill(0, output),
                None => Ok(block.last),
            };
            return match output {
                Ok(output) => self.complete(output),
                Err(error) => self.end(End::Fail(error)),
            };
        }
        if self.is_loop(parent) {
            self.data.close(env);
        }
        self.next_item(parent);
        let Some(StepFrame { state: State::Group(group), .. }) = self.step_mut(parent) else {
            return;
        };
        if let Some(slot) = group.results.get_mut(block.slot) {
            *slot = block.last;
        }
        group.running -= 1;
        group.needed = group.needed.saturating_sub(1);
        if group.needed > 0 {
            return;
        }
        group.enough = true;
        if group.running > 0 {
            self.stop_group(parent);
        } else {
            self.end_group(parent);
        }
    }

    /// Whether a step gives its blocks names of their own.
    fn is_loop(&self, step: FrameId) -> bool {
        let Some(FrameKind::Step(step)) = self.frames.get(&step).map(|frame| &frame.kind) else {
            return false;
        };
        let node = self.program.nodes.get(step.node).filter(|_| !step.handling);
        node.is_some_and(|node| matches!(node.op, Op::ForEach { .. }))
    }

    /// A step failed and nothing in its block catches it: the step around it fails once all else
    /// inside that step has stopped.
    fn fail_block(&mut self, block: FrameId, error: RunError) {
        let Some(frame) = self.frames.remove(&block) else { return };
        if frame.parent == RUN {
            return self.end(End::Fail(error));
        }
        let Some(StepFrame { state: State::Group(group), .. }) = self.step_mut(frame.parent) else {
            return;
        };
        if let Some(spare) = group.spare.checked_sub(1) {
            group.spare = spare;
            group.running -= 1;
            return;
        }
        group.failure = Some(Box::new(error));
        self.stop_group(frame.parent);
    }

    /// Stops what still runs inside a step with blocks: it is decided how the step ends.
    pub(super) fn stop_group(&mut self, step: FrameId) {
        let cancelling = self.stop_inside(step);
        if let Some(StepFrame { state: State::Group(group), .. }) = self.step_mut(step) {
            group.cancelling = cancelling;
            self.end_group(step);
        }
    }

    /// Ends a step with blocks, if it is decided how and nothing inside is pending any more.
    fn end_group(&mut self, step: FrameId) {
        let Some(StepFrame { state: State::Group(group), .. }) = self.step_mut(step) else {
            return;
        };
        if group.cancelling > 0 {
            return;
        }
        let outcome = match group.failure.take() {
            Some(error) => Err(*error),
            None if group.enough => Ok(group.output()),
            None => return,
        };
        let early = group.running > 0;
        let repeated = self.step_mut(step).is_some_and(|step| step.tries.is_repeated());
        let early = early || repeated;
        self.finish(step, outcome);
        if early {
            self.data.close_unused(self.frames.values().map(|frame| frame.env));
        }
    }

    /// A cancelled step has answered. What it did is to be undone, should the run fail.
    fn cancelled(&mut self, step: FrameId, outcome: &Result<Value, RunError>) {
        let Some(frame) = self.frames.remove(&step) else { return };
        let FrameKind::Step(StepFrame { node, path, .. }) = frame.kind else { return };
        self.pending.remove(&path);
        if outcome.is_ok() {
            self.keep_record(node, frame.env, outcome);
            let scopes = self.scopes(frame.parent);
            self.remember_undo(node, frame.env, &path, scopes, None);
        }
        self.one_answered(frame.parent);
    }

    /// Records what a step did that was told to stop. A result too large to keep is no reason not
    /// to undo it.
    pub(super) fn keep_record(
        &mut self,
        node: NodeIx,
        env: EnvId,
        outcome: &Result<Value, RunError>,
    ) {
        let program = Arc::clone(&self.program);
        if let Some(step) = program.nodes.get(node) {
            let _ = self.data.record(env, &step.id, outcome);
        }
    }

    /// One of those that were told to stop has answered.
    pub(super) fn one_answered(&mut self, outer: FrameId) {
        if outer == RUN {
            return self.one_stopped();
        }
        let Some(StepFrame { state: State::Group(group), .. }) = self.step_mut(outer) else {
            return;
        };
        group.cancelling -= 1;
        self.end_group(outer);
    }
}
