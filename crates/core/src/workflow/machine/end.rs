//! Ending a run: stop what is pending, undo what was done, say how it ended.

use std::sync::Arc;

use serde_json::Value;

use super::{
    Cmd, Compensation, End, FrameId, Interp, Phase, RUN, RunError, State, StepFrame,
    attempts::RETRY, data::EnvId,
};
use crate::{
    run::Failure,
    workflow::{program::NodeIx, typed},
};

/// Appended to a step's path while it is being undone.
pub(super) const UNDO: &str = ":undo";

/// How to undo a step.
#[derive(Debug)]
pub(super) struct Undoing {
    pub(super) node: NodeIx,
    pub(super) path: String,
    /// Made when the step ended, from what was known then.
    pub(super) input: Result<Value, RunError>,
    /// Steps around it that may be begun anew or undone as a whole.
    pub(super) scopes: Vec<FrameId>,
}

impl Undoing {
    /// The path of the step.
    pub(super) fn path(&self) -> &str {
        &self.path
    }
}

impl Interp {
    /// Decides how the run ends and stops everything inside it.
    pub(super) fn end(&mut self, end: End) {
        let cancelling = self.stop_inside(RUN);
        self.phase = Phase::Ending { end, cancelling };
        if cancelling == 0 {
            self.conclude();
        }
    }

    /// Ends the run well, if what it gives back is what it says it gives.
    pub(super) fn complete(&mut self, output: Value) {
        let checked = typed::check_output(&self.program.definition.outputs, &output);
        self.end(match checked {
            Ok(()) => End::Complete(output),
            Err(error) => End::Fail(RunError::from(Failure::from(&error))),
        });
    }

    /// One of the cancelled steps of the run has answered.
    pub(super) fn one_stopped(&mut self) {
        if let Phase::Ending { cancelling, .. } = &mut self.phase {
            *cancelling -= 1;
            if *cancelling == 0 {
                self.conclude();
            }
        }
    }

    /// Stops everything inside a step or the run. Timers and signals end at once; actions and
    /// children are asked to stop and stay until they answer. Returns how many of those there are.
    pub(super) fn stop_inside(&mut self, outer: FrameId) -> usize {
        let inside: Vec<FrameId> =
            self.frames.keys().copied().filter(|id| self.is_inside(*id, outer)).collect();
        let mut stopping = 0;
        for id in inside {
            self.drop_limit(id);
            let keep = match self.step_mut(id) {
                Some(StepFrame { state: State::Cancelling, .. }) => true,
                Some(StepFrame { state: state @ State::Late, .. }) => {
                    *state = State::Cancelling;
                    true
                }
                Some(StepFrame { state: State::Undoing(retrying), .. }) => {
                    // Half an undoing helps nobody.
                    retrying.stopped = true;
                    true
                }
                Some(StepFrame { state: State::Backoff, path, .. }) => {
                    let id = format!("{path}{RETRY}");
                    self.pending.remove(&id);
                    self.out.push(Cmd::Cancel { id });
                    false
                }
                Some(StepFrame { state: state @ State::Answer, path, .. }) => {
                    *state = State::Cancelling;
                    let id = path.clone();
                    self.out.push(Cmd::Cancel { id });
                    true
                }
                Some(StepFrame { state: State::Timer | State::Signal(_), path, .. }) => {
                    let id = path.clone();
                    self.pending.remove(&id);
                    self.out.push(Cmd::Cancel { id });
                    false
                }
                Some(StepFrame { state: State::Group(_), .. }) | None => false,
            };
            if !keep {
                self.frames.remove(&id);
            } else if let Some(frame) = self.frames.get_mut(&id) {
                stopping += 1;
                frame.parent = outer;
            }
        }
        stopping
    }

    fn is_inside(&self, id: FrameId, outer: FrameId) -> bool {
        let parent = |id: &FrameId| self.frames.get(id).map(|frame| frame.parent);
        std::iter::successors(parent(&id), parent).any(|ancestor| ancestor == outer)
    }

    /// Remembers how to undo a step that has ended well.
    /// A step with steps inside, which `whole` names, is undone after those.
    pub(super) fn remember_undo(
        &mut self,
        node: NodeIx,
        env: EnvId,
        path: &str,
        scopes: Vec<FrameId>,
        whole: Option<FrameId>,
    ) {
        let program = Arc::clone(&self.program);
        if let Some(undo) = program.nodes.get(node).and_then(|node| node.undo.as_ref()) {
            let input = self.data.fill(env, &undo.input);
            let inside = |undo: &Undoing| whole.is_some_and(|whole| undo.scopes.contains(&whole));
            let at = self.undo.iter().position(inside).unwrap_or(self.undo.len());
            self.undo.insert(at, Undoing { node, path: path.to_owned(), input, scopes });
        }
    }

    /// Nothing is pending any more.
    fn conclude(&mut self) {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Ending { end: End::Complete(output), .. } => {
                self.out.push(Cmd::Complete(output));
            }
            Phase::Ending { end: End::ContinueAs(input), .. } => {
                self.out.push(Cmd::ContinueAs(input));
            }
            Phase::Ending { end: End::Fail(mut error), .. } => {
                error.compensations.append(&mut self.undone);
                self.undo_next(error);
            }
            other => self.phase = other,
        }
    }

    /// Undoes the latest step that is not undone, or ends the run when there is none.
    fn undo_next(&mut self, mut error: RunError) {
        while let Some(Undoing { node, path, input, .. }) = self.undo.pop() {
            match self.undo_command(node, &path, input) {
                Err(failure) => {
                    let failure = Some(failure);
                    error.compensations.push(Compensation { step: path, error: failure });
                }
                Ok(Some((id, command))) => {
                    self.out.push(command);
                    self.phase = Phase::Undoing { error, current: Some((id, path)) };
                    return;
                }
                Ok(None) => {}
            }
        }
        self.phase = Phase::Over;
        self.out.push(Cmd::Fail(error));
    }

    /// The command that undoes a step, and the path of the undoing. Fails when its input could not
    /// be made.
    pub(super) fn undo_command(
        &self,
        node: NodeIx,
        path: &str,
        input: Result<Value, RunError>,
    ) -> Result<Option<(String, Cmd)>, Failure> {
        let input = input.map_err(|broken| broken.failure)?;
        let Some(node) = self.program.nodes.get(node) else { return Ok(None) };
        let Some(call) = &node.undo else { return Ok(None) };
        let id = format!("{path}{UNDO}");
        let command = self.command(id.clone(), node, call, input, None);
        Ok(Some((id, command)))
    }

    /// Takes the answer of an undoing. One that failed is reported, and the others still happen.
    pub(super) fn undone(&mut self, id: &str, outcome: Result<Value, RunError>) {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Undoing { mut error, current: Some((current, step)) } if current == id => {
                let failure = outcome.err().map(|error| error.failure);
                error.compensations.push(Compensation { step, error: failure });
                self.undo_next(error);
            }
            other => self.phase = other,
        }
    }
}
