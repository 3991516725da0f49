//! What a session has open: steps that were commanded and have no answer yet.

use connectus_core::{
    Result, Timestamp,
    run::Failure,
    workflow::{ChildOutcome, Cmd, Event, Policy, RunError, Span},
};
use connectus_store::{
    effects::NewEffect,
    journal::PendingSignal,
    steps::{StepBegin, StepEnd},
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{
    Batch, Session,
    batch::{Begin, Ended, effect_key},
};
use crate::{
    actions,
    driver::{backoff, settle::CHILD_SIGNAL, step::Landed, work::MAX_CRASHES},
};

/// A step without an answer.
#[derive(Clone, Debug)]
pub(in crate::driver) struct OpenStep {
    pub name: String,
    pub action: String,
    pub connection: Option<String>,
    pub input: Value,
    pub policy: Policy,
    pub key_suffix: String,
    pub compensation: bool,
    /// Its place in the order of beginning; set when it first begins.
    pub position: Option<i64>,
    /// Attempts that failed.
    pub failed: u32,
    /// When its first attempt began.
    pub since: Timestamp,
    /// When its next attempt is due.
    pub next_at: Timestamp,
    /// Whether an attempt is under way.
    pub flying: bool,
    /// Whether an attempt may have done it although none is known to have.
    pub unsure: bool,
    /// Whether the interpreter wants it stopped.
    pub stopping: bool,
    /// Stops the attempt under way.
    pub stop: CancellationToken,
}

impl OpenStep {
    /// The step that a command asks for.
    pub fn commanded(command: Cmd, now: Timestamp) -> Option<(String, Self)> {
        let Cmd::Step {
            id,
            name,
            action,
            connection,
            input,
            policy,
            key_suffix,
            compensation,
            unsure,
        } = command
        else {
            return None;
        };
        let step = Self {
            name,
            action,
            connection,
            input,
            policy,
            key_suffix,
            compensation,
            position: None,
            failed: 0,
            since: now,
            next_at: now,
            flying: false,
            unsure,
            stopping: false,
            stop: CancellationToken::new(),
        };
        Some((id, step))
    }

    /// Whether it is to stop and certainly has done nothing.
    fn has_stopped(&self) -> bool {
        self.stopping && !self.flying && !self.unsure
    }
}

/// What came in and is not in the journal yet.
#[derive(Default)]
pub(super) struct Unread {
    pub start: bool,
    pub cancel: bool,
    pub signals: Vec<PendingSignal>,
    pub landed: Vec<Landed>,
}

impl Session {
    /// Takes in what came in, in a fixed order, and what follows from it.
    pub(super) fn read(&mut self, batch: &mut Batch, unread: Unread) {
        if unread.start {
            self.begin_generation(batch);
        }
        // What killed the processes of a run is stopped, it does not fail the run.
        if unread.cancel && self.job.run.crashes >= MAX_CRASHES {
            self.told_to_stop(batch);
        }
        for landed in unread.landed {
            self.land(batch, landed, None);
        }
        self.follow(batch);
        for signal in unread.signals {
            batch.read_signals.push(signal.id.clone());
            let event = signal_event(signal);
            self.learn(batch, event);
            self.follow(batch);
        }
        if unread.cancel {
            self.told_to_stop(batch);
            self.follow(batch);
        }
    }

    /// Learns that someone wants the run stopped, once.
    fn told_to_stop(&mut self, batch: &mut Batch) {
        if !std::mem::replace(&mut self.cancelled, true) {
            self.learn(batch, Event::CancelRequested { reason: None });
        }
    }

    /// Learns what follows at once from what was learnt: timers that are due, stopped steps that
    /// nothing will answer for, a run that starts over.
    pub(super) fn follow(&mut self, batch: &mut Batch) {
        loop {
            if let Some(input) = batch.restart.take() {
                self.start_over(batch, input);
            } else if let Some(id) = self.due_timer() {
                self.learn(batch, Event::Fired { id });
            } else if let Some(id) = batch.unborn.pop().or_else(|| self.stopped_step(batch)) {
                let error = Failure::cancelled();
                self.learn(batch, Event::Failed { id, error, unsure: false });
            } else {
                return;
            }
        }
    }

    fn stopped_step(&mut self, batch: &mut Batch) -> Option<String> {
        let (id, _) = self.steps.iter().find(|(_, step)| step.has_stopped())?;
        let (id, step) = self.steps.remove_entry(&id.clone())?;
        if step.position.is_some() {
            // It was to be tried again, and people can see that.
            let end = StepEnd {
                step_id: id.clone(),
                attempt: step.failed,
                started_at: step.since,
                outcome: Err(Failure::cancelled()),
                next_attempt_at: None,
            };
            batch.ends.push(Ended { end, begin: None });
        }
        Some(id)
    }

    /// Takes the end of an attempt: an answer for the interpreter, or a further attempt. `begin` is
    /// what the attempt was begun with, if that is not written down yet.
    pub(super) fn land(&mut self, batch: &mut Batch, landed: Landed, begin: Option<StepBegin>) {
        let now = self.job.parts.env().now();
        let Some(step) = self.steps.get_mut(&landed.id) else { return };
        step.flying = false;
        step.unsure |= landed.unsure;
        batch.answers.extend(landed.answer());
        let Landed { id, attempt, started_at, outcome, .. } = landed;
        let mut end = StepEnd {
            step_id: id.clone(),
            attempt,
            started_at,
            outcome: outcome.clone(),
            next_attempt_at: None,
        };
        let event = match outcome {
            Ok(output) => Event::Done { id: id.clone(), output },
            Err(error) => {
                step.failed += 1;
                let random = u64::from_le_bytes(self.job.parts.env().random());
                if let Some(next) = next_attempt(step, &error, now, random) {
                    step.next_at = next;
                    end.next_attempt_at = Some(next);
                    batch.ends.push(Ended { end, begin });
                    return;
                }
                Event::Failed { id: id.clone(), error, unsure: step.unsure }
            }
        };
        batch.ends.push(Ended { end, begin });
        self.steps.remove(&id);
        self.learn(batch, event);
    }

    /// Plans the attempts that are due: their intent goes into the batch.
    pub(super) fn plan_steps(&mut self, batch: &mut Batch) {
        let now = self.job.parts.env().now();
        for (id, step) in &mut self.steps {
            if step.flying || step.next_at > now {
                continue;
            }
            if step.position.is_none() {
                // It may have been commanded long before: in a drain, in the run this one repeats.
                step.since = now;
            }
            let position = *step.position.get_or_insert_with(|| {
                self.position += 1;
                self.position
            });
            let tenant = self.job.ctx.tenant();
            let kind = actions::effect_kind(tenant, &step.action, &step.input);
            let effect = (kind != actions::LOCAL).then(|| NewEffect {
                key: effect_key(&self.job.run, &step.key_suffix),
                step_id: id.clone(),
                action: step.action.clone(),
                kind,
            });
            let begin = StepBegin {
                step_id: id.clone(),
                position,
                name: step.name.clone(),
                action: step.action.clone(),
                attempt: step.failed + 1,
                input: step.input.clone(),
                compensation: step.compensation,
            };
            batch.begins.push(Begin { step: begin, kind, effect });
        }
    }

    /// Reads signals and the wish to stop from the database.
    pub(super) fn unread(&self) -> impl Future<Output = Result<Unread>> + Send + use<> {
        let job = self.job.clone();
        async move {
            let mut conn = job.parts.store.read().await?;
            let mut mail = conn.mail(&job.ctx, &job.run.id).await?;
            drop(conn);
            for signal in mail.signals.iter_mut().filter(|one| one.value.parked().is_some()) {
                let value = signal.value.clone();
                signal.value = job.parts.store.blobs().value(job.ctx.tenant(), value).await?.into();
            }
            Ok(Unread { cancel: mail.cancel, signals: mail.signals, ..Unread::default() })
        }
    }
}

fn next_attempt(
    step: &OpenStep,
    error: &Failure,
    now: Timestamp,
    random: u64,
) -> Option<Timestamp> {
    // Whether a write of our own happened is found out before the step is stopped.
    let finds_out = step.unsure && actions::is_local(&step.action, &step.input);
    if !error.transient || (step.stopping && !finds_out) {
        return None;
    }
    let since = |at: Timestamp| {
        Span::from_millis(u64::try_from((at.0 - step.since.0).max(0) / 1_000).unwrap_or(0))
    };
    let delay = step.policy.retry.next_delay(step.failed, since(now), random)?;
    let wish = i64::try_from(backoff::wish_ms(error.retry_after)).unwrap_or(i64::MAX);
    let next = delay.after(now).max(now.plus_millis(wish));
    let longest = step.policy.retry.max_elapsed;
    longest.is_none_or(|longest| since(next) <= longest).then_some(next)
}

fn signal_event(signal: PendingSignal) -> Event {
    // It was read before it came here.
    let value = signal.value.shown();
    let Some(id) = signal.name.strip_prefix(CHILD_SIGNAL) else {
        return Event::Signalled { name: signal.name, value };
    };
    let result = match value.get("error").filter(|error| !error.is_null()) {
        None => ChildOutcome::Output(value.get("output").cloned().unwrap_or_default()),
        Some(error) => {
            let failure = serde_json::from_value::<Failure>(error.clone());
            let failure = failure.unwrap_or_else(|_| Failure::cancelled());
            ChildOutcome::Error(RunError::from(failure))
        }
    };
    Event::ChildDone { id: id.to_owned(), result }
}
