//! Waiting for times, signals and people.

use serde_json::{Value, json};

use super::{
    Ask, Cmd, FrameId, FrameKind, Interp, RunError, SignalWait, State, StepFrame,
    begin::{Begun, Place},
    frame::Escalation,
};
use crate::{
    Timestamp,
    expr::Template,
    workflow::{OnDeadline, OnReject, program::ApprovalOp},
};

/// Begins the names of signals that answer approvals; nobody may send them otherwise.
pub const APPROVAL_SIGNAL: &str = "approval:";

impl SignalWait {
    /// What a signal makes of the step.
    pub(super) fn take(&self, value: Value) -> Result<Value, RunError> {
        let rejects = self.ask.as_ref().is_some_and(|ask| ask.on_reject == OnReject::Fail);
        if rejects && value.get("approved") != Some(&Value::Bool(true)) {
            let comment = value.get("comment").and_then(Value::as_str).unwrap_or_default();
            let message = match comment {
                "" => "The approval was refused.".to_owned(),
                comment => format!("The approval was refused: {comment}"),
            };
            return Err(RunError::new("rejected", message));
        }
        Ok(value)
    }

    /// What a passed deadline makes of the step.
    pub(super) fn late(&self) -> Result<Value, RunError> {
        match self.on_deadline {
            OnDeadline::Continue => Ok(json!({"timed_out": true})),
            OnDeadline::Fail => {
                let message = format!("No signal `{}` came before the deadline.", self.name);
                Err(RunError::new("timeout", message))
            }
        }
    }
}

impl Interp {
    pub(super) fn until(&mut self, at: Place<'_>, time: &Template) -> Result<Begun, RunError> {
        let text = self.data.text(at.env, time)?;
        let until = Timestamp::parse(&text).ok_or_else(|| {
            let message = format!("`until` gave `{text}`, which is no RFC 3339 time");
            RunError::new("expression", message)
        })?;
        Ok(self.timer(at, until))
    }

    pub(super) fn approval(&mut self, at: Place<'_>, ask: &ApprovalOp) -> Result<Begun, RunError> {
        let message = self.data.text(at.env, &ask.message)?;
        let meta = json!({"message": message, "approvers": ask.approvers});
        let approvers = ask.approvers.clone();
        let until = ask.deadline.map(|span| span.after(self.now));
        let first = ask.escalate.as_ref().map(|(after, _)| after.after(self.now));
        let wait = SignalWait {
            name: format!("{APPROVAL_SIGNAL}{}", at.path),
            has_deadline: until.is_some() || first.is_some(),
            on_deadline: ask.on_deadline,
            ask: Some(Ask { message, approvers, on_reject: ask.on_reject }),
            escalation: ask
                .escalate
                .as_ref()
                .map(|(_, approvers)| Escalation { approvers: approvers.clone(), until }),
        };
        Ok(self.signal(at, wait, first.or(until), Some(meta)))
    }

    /// Asks more people, if the step still has some to ask. Whether it did.
    fn escalate(&mut self, frame: FrameId) -> bool {
        let Some(StepFrame { path, state: State::Signal(wait), .. }) = self.step_mut(frame) else {
            return false;
        };
        let Some(Escalation { approvers, until }) = wait.escalation.take() else { return false };
        wait.has_deadline = until.is_some();
        let Some(ask) = &mut wait.ask else { return false };
        // Nobody named means everybody who may: there is nobody to add.
        if !ask.approvers.is_empty() {
            ask.approvers.extend(approvers);
        }
        let meta = json!({
            "message": ask.message, "approvers": ask.approvers, "escalated": true,
        });
        let (id, name) = (path.clone(), wait.name.clone());
        self.out.push(Cmd::AwaitSignal { id, name, deadline: until, meta: Some(meta) });
        true
    }

    /// What the approval at a path asks, if the run waits for its answer.
    pub fn asks(&self, path: &str) -> Option<&Ask> {
        let frame = self.frames.get(self.pending.get(path)?)?;
        match &frame.kind {
            FrameKind::Step(StepFrame { state: State::Signal(wait), .. }) => wait.ask.as_ref(),
            _ => None,
        }
    }

    pub(super) fn timer(&mut self, at: Place<'_>, when: Timestamp) -> Begun {
        if when <= self.now {
            return Begun::Ended(Ok(Value::Null));
        }
        self.wait(at, State::Timer);
        self.out.push(Cmd::Timer { id: at.path.to_owned(), at: when });
        Begun::Pending
    }

    pub(super) fn signal(
        &mut self,
        at: Place<'_>,
        wait: SignalWait,
        deadline: Option<Timestamp>,
        meta: Option<Value>,
    ) -> Begun {
        let name = wait.name.clone();
        if let Some(value) = self.data.take_signal(&name) {
            return Begun::Ended(wait.take(value));
        }
        self.wait(at, State::Signal(wait));
        self.out.push(Cmd::AwaitSignal { id: at.path.to_owned(), name, deadline, meta });
        Begun::Pending
    }

    pub(super) fn fired(&mut self, id: &str) {
        if let Some(step) = self.deadlines.remove(id) {
            return self.too_late(step);
        }
        let Some(frame) = self.pending.get(id).copied() else { return };
        if self.escalate(frame) {
            return;
        }
        let outcome = match self.step_mut(frame).map(|step| &step.state) {
            Some(State::Timer) => Ok(Value::Null),
            Some(State::Backoff) => return self.begin_again(frame),
            // What has no deadline cannot be late, whoever says so.
            Some(State::Signal(wait)) if wait.has_deadline => wait.late(),
            _ => return,
        };
        self.finish(frame, outcome);
    }

    /// Who waits for a signal; who began to wait first is served first.
    fn waiter(&self, name: &str) -> Option<FrameId> {
        let waits = |frame: &FrameId| {
            self.frames.get(frame).is_some_and(|frame| {
                matches!(&frame.kind, FrameKind::Step(StepFrame { state: State::Signal(wait), .. })
                    if wait.name == name)
            })
        };
        self.pending.values().copied().filter(waits).min()
    }

    /// The path of the step that a signal would serve now.
    pub(in crate::workflow) fn serves(&self, name: &str) -> Option<&str> {
        let frame = self.frames.get(&self.waiter(name)?)?;
        match &frame.kind {
            FrameKind::Step(step) => Some(&step.path),
            FrameKind::Block(_) => None,
        }
    }

    pub(super) fn signalled(&mut self, name: String, value: Value) {
        let Some(frame) = self.waiter(&name) else {
            // Nobody can agree to what has not been asked yet.
            if !name.starts_with(APPROVAL_SIGNAL) {
                self.data.keep_signal(name, value);
            }
            return;
        };
        let Some(StepFrame { state: State::Signal(wait), path, .. }) = self.step_mut(frame) else {
            return;
        };
        let (outcome, cancel) = (wait.take(value), wait.has_deadline.then(|| path.clone()));
        // The deadline's timer is no longer needed.
        self.out.extend(cancel.map(|id| Cmd::Cancel { id }));
        self.finish(frame, outcome);
    }
}
