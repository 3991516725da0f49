//! Further attempts at steps, and the time each may take.
//!
//! Attempts at an action are its driver's. Those at all other steps are the machine's: a block that
//! failed is undone, rests and begins anew. From its second attempt on, a step and all inside it
//! have paths of their own (`block#2.notify`), so that nothing of it is taken for what was done
//! before.

use std::borrow::Cow;

use super::{
    Cmd, Compensation, FrameId, FrameKind, Interp, RunError, State, StepFrame,
    begin::{Begun, Place},
    end::Undoing,
    finish::Ending,
};
use crate::{
    Timestamp,
    canonical::{self, Digest},
    workflow::{
        Span,
        program::{BlockIx, Node, NodeIx, Op},
    },
};

/// Appended to the path of a step that has a time limit.
pub(super) const TIMEOUT: &str = ":timeout";
/// Appended to the path of an attempt that failed, while the next one is due later.
pub(super) const RETRY: &str = ":retry";
/// The failure of an action that may have happened and must not happen twice.
const OUTCOME_UNKNOWN: &str = "outcome_unknown";
/// Failures that another attempt cures never: someone decided them, or must.
const FINAL: [&str; 4] = ["cancelled", "limit", OUTCOME_UNKNOWN, "rejected"];
/// Longest wish of the other side that is heeded, in seconds.
const LONGEST_WISH_SECS: u64 = 24 * 3_600;

/// Where a step is in its attempts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tries {
    /// 1 for the first one.
    attempt: u32,
    /// When that one began.
    since: Timestamp,
    /// Whether there is no further one, whatever the policy says.
    last: bool,
}

impl Tries {
    /// The first attempt.
    pub(super) fn first(now: Timestamp) -> Self {
        Self { attempt: 1, since: now, last: false }
    }

    /// Whether there was one before.
    pub(super) fn is_repeated(self) -> bool {
        self.attempt > 1
    }
}

/// An attempt that failed and is being undone before the next one.
#[derive(Debug)]
pub(super) struct Retrying {
    error: RunError,
    delay: Span,
    /// The step whose undoing is under way.
    undoing: String,
    /// Whether something could not be undone.
    stuck: bool,
    /// Whether the step around it has stopped it meanwhile.
    pub(super) stopped: bool,
}

/// What was asked of an action inside a block that may be begun anew.
#[derive(Debug)]
pub(super) struct Asked {
    /// The path its key is made of.
    key: String,
    input: Digest,
    /// Whether it failed and may have been done all the same.
    in_doubt: bool,
}

/// A path without the attempts in it: `block#2.each#3[0].notify` is `each[0].notify`.
pub fn without_attempts(path: &str) -> Cow<'_, str> {
    if !path.contains('#') {
        return Cow::Borrowed(path);
    }
    let mut plain = String::with_capacity(path.len());
    let mut parts = path.split('.').peekable();
    while let Some(part) = parts.next() {
        let Some((step, rest)) = part.split_once('#') else {
            plain.push_str(part);
            plain.push_str(if parts.peek().is_some() { "." } else { "" });
            continue;
        };
        let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        match parts.peek() {
            // Steps inside a block that is no loop are named without it.
            Some(_) if rest.is_empty() => {}
            next => {
                plain.push_str(step);
                plain.push_str(rest);
                plain.push_str(if next.is_some() { "." } else { "" });
            }
        }
    }
    Cow::Owned(plain)
}

impl Interp {
    /// Whether the machine sees to the attempts and the time of a step.
    fn sees_to(&self, node: &Node) -> bool {
        match node.op {
            Op::Action(_) => false,
            // Runs of the first version began when these policies were not heeded.
            Op::Workflow { .. } => self.version > 1,
            _ => true,
        }
    }

    /// Sets the time limit of a step that begins.
    pub(super) fn limit(&mut self, step: FrameId, at: Place<'_>) {
        let program = &self.program;
        let Some(node) = program.nodes.get(at.node).filter(|node| self.sees_to(node)) else {
            return;
        };
        let Some(limit) = node.timeout else { return };
        let id = format!("{}{TIMEOUT}", at.path);
        self.deadlines.insert(id.clone(), step);
        self.out.push(Cmd::Timer { id, at: limit.after(self.now) });
    }

    /// Drops the time limit of a step that has ended or is being stopped.
    pub(super) fn drop_limit(&mut self, step: FrameId) {
        if self.deadlines.is_empty() {
            return;
        }
        let Some(id) = self.step_mut(step).map(|step| format!("{}{TIMEOUT}", step.path)) else {
            return;
        };
        if self.deadlines.remove(&id).is_some() {
            self.out.push(Cmd::Cancel { id });
        }
    }

    /// Whether something has a time limit that runs.
    pub fn has_limits(&self) -> bool {
        !self.deadlines.is_empty()
    }

    /// The run goes on from here, perhaps long after what it learnt before: the time limits of what
    /// is under way begin anew.
    pub(super) fn resumed(&mut self) {
        let running: Vec<(String, FrameId)> =
            self.deadlines.iter().map(|(id, step)| (id.clone(), *step)).collect();
        let program = self.program.clone();
        for (id, step) in running {
            let node = self.step_mut(step).map(|step| step.node);
            let limit = node.and_then(|node| program.nodes.get(node)?.timeout);
            if let Some(limit) = limit {
                self.out.push(Cmd::Timer { id, at: limit.after(self.now) });
            }
        }
    }

    /// The time of a step has passed.
    pub(super) fn too_late(&mut self, step: FrameId) {
        let error = self.late(step);
        let Some(StepFrame { state, path, .. }) = self.step_mut(step) else { return };
        match state {
            // It is decided already how it ends.
            State::Group(group) if group.failure.is_some() || group.enough => {}
            State::Group(group) => {
                group.failure = Some(Box::new(error));
                self.stop_group(step);
            }
            state @ State::Answer => {
                *state = State::Late;
                let id = path.clone();
                self.out.push(Cmd::Cancel { id });
            }
            State::Timer | State::Signal(_) => {
                let id = path.clone();
                self.out.push(Cmd::Cancel { id });
                self.finish(step, Err(error));
            }
            State::Late | State::Cancelling | State::Undoing(_) | State::Backoff => {}
        }
    }

    fn late(&mut self, step: FrameId) -> RunError {
        let program = self.program.clone();
        let node = self.step_mut(step).and_then(|step| program.nodes.get(step.node));
        let limit = node.and_then(|node| node.timeout).unwrap_or_default();
        RunError::new("timeout", format!("The step did not end within {limit}."))
    }

    /// What was told to stop because its time had passed has answered. What it did all the same is
    /// to be undone.
    pub(super) fn answered_late(
        &mut self,
        step: FrameId,
        outcome: &Result<serde_json::Value, RunError>,
    ) {
        let error = self.late(step);
        if outcome.is_ok()
            && let Some(frame) = self.frames.get(&step)
            && let FrameKind::Step(StepFrame { node, path, .. }) = &frame.kind
        {
            let (node, path, env, block) = (*node, path.clone(), frame.env, frame.parent);
            self.keep_record(node, env, outcome);
            let mut scopes = self.scopes(block);
            scopes.push(step);
            self.remember_undo(node, env, &path, scopes, None);
        }
        self.finish(step, Err(error));
    }

    /// The steps around a place that may be begun anew or undone as a whole.
    pub(super) fn scopes(&self, block: FrameId) -> Vec<FrameId> {
        if !self.program.scoped {
            return Vec::new();
        }
        let parent = |id: &FrameId| self.frames.get(id).map(|frame| frame.parent);
        let around = std::iter::successors(Some(block), parent);
        around.filter(|id| self.is_scope(*id)).collect()
    }

    fn is_scope(&self, id: FrameId) -> bool {
        let Some(FrameKind::Step(step)) = self.frames.get(&id).map(|frame| &frame.kind) else {
            return false;
        };
        let node = self.program.nodes.get(step.node);
        node.is_some_and(|node| node.again.is_some() || node.undo.is_some())
    }

    /// Undoes what an attempt did and sets the next one, if there is to be one.
    pub(super) fn try_again(&mut self, step: FrameId, error: &RunError) -> bool {
        let Some(delay) = self.next_try(step, error) else { return false };
        let Some(frame) = self.step_mut(step) else { return false };
        let path = frame.path.clone();
        frame.state = State::Undoing(Box::new(Retrying {
            error: error.clone(),
            delay,
            undoing: String::new(),
            stuck: false,
            stopped: false,
        }));
        self.pending.remove(&path);
        self.undo_attempt(step);
        true
    }

    /// How long to rest before the next attempt.
    fn next_try(&self, step: FrameId, error: &RunError) -> Option<Span> {
        let FrameKind::Step(step) = &self.frames.get(&step)?.kind else { return None };
        let node = self.program.nodes.get(step.node).filter(|node| self.sees_to(node))?;
        let policy = node.again?;
        let code = error.failure.code.as_str();
        if step.handling || step.tries.last || FINAL.contains(&code) {
            return None;
        }
        let Tries { attempt, since, .. } = step.tries;
        let elapsed = u64::try_from((self.now.0 - since.0).max(0) / 1_000).unwrap_or(0);
        let chance = self.data.seed().wrapping_add(chance(&step.path));
        let delay = policy.next_delay(attempt, Span::from_millis(elapsed), chance)?;
        let wish = error.failure.retry_after.unwrap_or(0).min(LONGEST_WISH_SECS);
        let delay = delay.max(Span::from_secs(wish));
        let begins = Span::from_millis(elapsed.saturating_add(delay.millis()));
        policy.max_elapsed.is_none_or(|most| begins <= most).then_some(delay)
    }

    /// Undoes the latest step of a failed attempt that is not undone, or rests when there is none.
    /// What could not be undone must not be done once more: the step fails then.
    fn undo_attempt(&mut self, step: FrameId) {
        let mut failed = false;
        while let Some(at) = self.undo.iter().rposition(|undo| undo.scopes.contains(&step)) {
            let Undoing { node, path, input, .. } = self.undo.remove(at);
            match self.undo_command(node, &path, input) {
                Ok(Some((id, command))) => {
                    if let Some(retrying) = self.retrying(step) {
                        retrying.stuck |= failed;
                        retrying.undoing = path;
                    }
                    self.pending.insert(id, step);
                    self.out.push(command);
                    return;
                }
                Ok(None) => {}
                Err(error) => {
                    failed = true;
                    self.undone.push(Compensation { step: path, error: Some(error) });
                }
            }
        }
        let Some(StepFrame { state: State::Undoing(retrying), tries, path, .. }) =
            self.step_mut(step)
        else {
            return;
        };
        if failed || retrying.stuck {
            tries.last = true;
            let error = retrying.error.clone();
            return self.finish(step, Err(error));
        }
        let (id, delay) = (format!("{path}{RETRY}"), retrying.delay);
        if let Some(frame) = self.step_mut(step) {
            frame.state = State::Backoff;
        }
        self.pending.insert(id.clone(), step);
        self.out.push(Cmd::Timer { id, at: delay.after(self.now) });
    }

    fn retrying(&mut self, step: FrameId) -> Option<&mut Retrying> {
        match &mut self.step_mut(step)?.state {
            State::Undoing(retrying) => Some(retrying),
            _ => None,
        }
    }

    /// An undoing within a failed attempt has ended.
    pub(super) fn undone_inside(
        &mut self,
        step: FrameId,
        id: &str,
        outcome: Result<serde_json::Value, RunError>,
    ) {
        self.pending.remove(id);
        let error = outcome.err().map(|error| error.failure);
        let Some(retrying) = self.retrying(step) else { return };
        retrying.stuck |= error.is_some();
        let (undone, stopped) = (std::mem::take(&mut retrying.undoing), retrying.stopped);
        self.undone.push(Compensation { step: undone, error });
        if stopped {
            // What is left is undone with all else, should the run fail.
            if let Some(frame) = self.frames.remove(&step) {
                self.one_answered(frame.parent);
            }
        } else {
            self.undo_attempt(step);
        }
    }

    /// The rest after a failed attempt is over.
    pub(super) fn begin_again(&mut self, step: FrameId) {
        let Some(frame) = self.frames.remove(&step) else { return };
        let FrameKind::Step(StepFrame { node, path, tries, .. }) = frame.kind else { return };
        self.pending.remove(&format!("{path}{RETRY}"));
        let (block, env) = (frame.parent, frame.env);
        let program = self.program.clone();
        let Some(of) = program.nodes.get(node) else { return };
        self.data.forget(env, &inside(&program.nodes, &program.blocks, node));
        let tries = Tries { attempt: tries.attempt + 1, ..tries };
        let path = format!("{}#{}", self.data.path(env, &of.id), tries.attempt);
        let place = Place { node, block, env, path: &path, tries };
        match self.operate(place, of).unwrap_or_else(|error| Begun::Ended(Err(error))) {
            Begun::Pending | Begun::Skipped => {}
            Begun::Ended(outcome) => {
                let ending = Ending { node, env, path: Some(path), frame: None };
                if self.settle(block, ending, outcome) {
                    self.ready.push_back(block);
                }
            }
        }
    }

    /// The path whose key a call must have because an effect under it may have happened. Inside a
    /// block that may be begun anew, what failed and may have been done all the same is asked for
    /// under the same key again, so that it is done once; what was done and undone, or is asked
    /// for with another input, gets a new one.
    pub(super) fn doubted(&mut self, at: Place<'_>, input: &serde_json::Value) -> Option<String> {
        if !self.program.scoped || !self.may_repeat(at.block) {
            return None;
        }
        let (plain, input) = (without_attempts(at.path).into_owned(), canonical::digest(input));
        if let Some(asked) = self.asked.get(&plain)
            && asked.in_doubt
            && asked.input == input
        {
            return Some(asked.key.clone());
        }
        let key = at.path.to_owned();
        self.asked.insert(plain, Asked { key, input, in_doubt: false });
        None
    }

    /// Whether something around a block may be begun anew.
    fn may_repeat(&self, block: FrameId) -> bool {
        self.repeatable(block).next().is_some()
    }

    /// The steps around a block that may be begun anew.
    fn repeatable(&self, block: FrameId) -> impl Iterator<Item = FrameId> + '_ {
        let parent = |id: &FrameId| self.frames.get(id).map(|frame| frame.parent);
        std::iter::successors(Some(block), parent).filter(|id| {
            let Some(FrameKind::Step(step)) = self.frames.get(id).map(|frame| &frame.kind) else {
                return false;
            };
            let node = self.program.nodes.get(step.node);
            !step.handling && node.is_some_and(|node| node.again.is_some())
        })
    }

    /// A step has answered: whether what it did is known decides how it may be done again.
    pub(super) fn doubt(&mut self, id: &str, code: Option<&str>, unsure: bool) {
        if !self.program.scoped {
            return;
        }
        let Some(frame) = self.pending.get(id).and_then(|step| self.frames.get(step)) else {
            return;
        };
        // An undoing waits under another path than its step.
        if !matches!(&frame.kind, FrameKind::Step(step) if step.path == id) {
            return;
        }
        let block = frame.parent;
        if code == Some(OUTCOME_UNKNOWN) {
            let around: Vec<FrameId> = self.repeatable(block).collect();
            for step in around {
                if let Some(frame) = self.step_mut(step) {
                    frame.tries.last = true;
                }
            }
        }
        if let Some(asked) = self.asked.get_mut(&*without_attempts(id)) {
            asked.in_doubt = unsure;
        }
    }
}

/// The ids of a step and of those inside it, whose outputs a new attempt does not see.
fn inside(nodes: &[Node], blocks: &[Vec<NodeIx>], node: NodeIx) -> Vec<Box<str>> {
    let (mut ids, mut open) = (Vec::new(), vec![node]);
    while let Some(node) = open.pop().and_then(|node| nodes.get(node)) {
        ids.push(node.id.clone());
        let inner: Vec<BlockIx> = match &node.op {
            Op::Branch { then, otherwise, .. } => vec![*then, *otherwise],
            Op::Switch { cases, otherwise } => {
                cases.iter().map(|(_, block)| *block).chain([*otherwise]).collect()
            }
            Op::Parallel { branches, .. } => branches.clone(),
            _ => Vec::new(),
        };
        let handlers = node.on_error.filter(|_| ids.len() > 1);
        let inner = inner.into_iter().chain(handlers);
        open.extend(inner.filter_map(|block| blocks.get(block)).flatten());
    }
    ids
}

/// A number that looks like chance and is the same for the same text.
fn chance(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::without_attempts;

    #[test]
    fn a_path_without_its_attempts_is_that_of_the_first() {
        for (path, plain) in [
            ("notify", "notify"),
            ("notify#2", "notify"),
            ("notify#2:undo", "notify:undo"),
            ("block#2.notify", "notify"),
            ("block#2.inner#3.notify#4:timeout", "notify:timeout"),
            ("each[3].notify#2", "each[3].notify"),
            ("each#12[3].notify", "each[3].notify"),
            ("block#2.each#3[0].notify", "each[0].notify"),
            ("each[0].block#2.notify", "each[0].notify"),
        ] {
            assert_eq!(without_attempts(path), plain, "{path}");
        }
    }
}
