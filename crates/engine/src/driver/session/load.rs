//! Rebuilds a session from the database.

use std::{borrow::Cow, collections::BTreeMap};

use connectus_core::{
    Error, Payload, Result, Timestamp, payload,
    workflow::{Cmd, Entry, Event, INTERP_VERSION, Interp},
};
use connectus_store::steps::StepRow;
use futures::stream::FuturesUnordered;

use super::{OpenStep, Session, Unread, batch::effect_key, generation::Continued};
use crate::{
    actions,
    driver::{
        job::{Job, with_input},
        step::{AT_MOST_ONCE, Landed},
        work::MAX_CRASHES,
    },
};

/// A session as the journal left it, and what has come in since.
pub(super) async fn session(job: &Job) -> Result<(Session, Unread)> {
    let is_large = is_large(job);
    let read = with_input(job).await?;
    let job = read.as_ref().unwrap_or(job);
    let run = &job.run;
    if !Interp::speaks(run.interp_version) {
        let message = format!(
            "The run was started by interpreter version {}; this program knows up to {}.",
            run.interp_version, INTERP_VERSION
        );
        return Err(Error::internal(message));
    }
    let program = job.parts.programs.get(&job.parts, &job.ctx, &run.definition_hash).await?;
    let mut session = Session {
        job: job.clone(),
        interp: Interp::of_version(run.interp_version, program.clone(), run.input.here()?.clone()),
        program,
        generation: 0,
        seq: 0,
        position: 0,
        begun: run.started_at.is_some(),
        cancelled: false,
        has_large: is_large,
        steps: BTreeMap::new(),
        timers: BTreeMap::new(),
        flying: FuturesUnordered::new(),
    };
    if !session.begun {
        // What came in before it began is found when it first rests.
        let unread = Unread { start: true, cancel: run.cancel_requested, ..Unread::default() };
        return Ok((session, unread));
    }
    let mut conn = job.parts.store.read().await?;
    let continued = conn.continued(&job.ctx, &run.id).await?;
    let journal = conn.journal(&job.ctx, &run.id).await?;
    let rows = conn.steps(&job.ctx, &run.id).await?;
    drop(conn);
    if let Some(continued) = continued {
        let continued = job.parts.store.blobs().value(job.ctx.tenant(), continued).await?;
        let Continued { generation, input, .. } = Continued::read(continued)?;
        session.generation = generation;
        let program = session.program.clone();
        session.interp = Interp::of_version(run.interp_version, program, input);
    }
    session.replay(&journal).await?;
    let landed = session.resume(&rows).await?;
    let unread = Unread { start: journal.is_empty(), landed, ..session.unread().await? };
    Ok((session, unread))
}

/// Whether a run was given a value that is too large for a row.
fn is_large(job: &Job) -> bool {
    match &job.run.input {
        Payload::Parked(_) => true,
        // It may not be written down yet.
        Payload::Here(input) => payload::is_larger(input, job.parts.store.blobs().threshold()),
    }
}

impl Session {
    /// Feeds the journal to the interpreter. What it commands was done with the entry, but for
    /// steps and timers, which are open until their own entries say otherwise. Payloads that are
    /// parked are read one by one: in memory is what the interpreter keeps of them.
    async fn replay(&mut self, journal: &[String]) -> Result<()> {
        let blobs = self.job.parts.store.blobs().clone();
        for text in journal {
            let text = blobs.line(self.job.ctx.tenant(), text).await?;
            self.has_large |= matches!(text, Cow::Owned(_));
            let entry = Entry::from_json(&text)?;
            self.seq += 1;
            match &entry.event {
                Event::CancelRequested { .. } => self.cancelled = true,
                Event::Done { id, .. } | Event::Failed { id, .. } => {
                    self.steps.remove(id);
                }
                Event::Fired { id } => {
                    self.timers.remove(id);
                }
                _ => {}
            }
            for command in self.interp.replay(entry) {
                self.remember(command);
            }
        }
        Ok(())
    }

    fn remember(&mut self, command: Cmd) {
        match command {
            Cmd::Step { .. } => {
                if let Some((id, step)) = OpenStep::commanded(command, Timestamp::default()) {
                    self.steps.insert(id, step);
                }
            }
            Cmd::Timer { id, at } | Cmd::AwaitSignal { id, deadline: Some(at), .. } => {
                self.timers.insert(id, at);
            }
            Cmd::Cancel { id } => {
                self.timers.remove(&id);
                if let Some(step) = self.steps.get_mut(&id) {
                    step.stopping = true;
                }
            }
            _ => {}
        }
    }

    /// Matches open steps with what is known of their attempts. A step that must not be repeated
    /// and whose outcome is unknown is answered as failed, and so is one that may have killed the
    /// processes of a run that is to stop.
    async fn resume(&mut self, rows: &[StepRow]) -> Result<Vec<Landed>> {
        self.position = rows.iter().map(|row| row.position).max().unwrap_or(0);
        let mut landed = Vec::new();
        // A run that was set apart is cancelled: what killed its processes is not tried again.
        let deadly = self.job.run.crashes >= MAX_CRASHES;
        let mut conn = self.job.parts.store.read().await?;
        for row in rows {
            let Some(step) = self.steps.get_mut(&row.step_id) else { continue };
            let interrupted = row.status == "running";
            step.position = Some(row.position);
            step.since = row.started_at;
            step.next_at = row.next_attempt_at.filter(|_| !step.stopping).unwrap_or_default();
            step.failed = row.attempts.saturating_sub(u32::from(interrupted));
            // A write of our own that failed for now may have been committed all the same.
            step.unsure = interrupted || row.status == "retrying";
            let key = effect_key(&self.job.run, &step.key_suffix);
            if interrupted && deadly {
                landed.push(Landed::unknown(&row.step_id, row.attempts, row.started_at, key));
                continue;
            }
            if actions::is_local(&step.action, &step.input) {
                continue;
            }
            let Some(effect) = conn.effect(&self.job.ctx, &key).await? else { continue };
            step.unsure = matches!(effect.state.as_str(), "sent" | "unknown");
            if step.unsure && effect.kind == AT_MOST_ONCE {
                landed.push(Landed::unknown(&row.step_id, row.attempts, row.started_at, key));
            }
        }
        Ok(landed)
    }
}
