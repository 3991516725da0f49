//! Rebuilds a session from the database.

use std::{collections::BTreeMap, sync::Arc};

use connectus_core::{
    Error, Result, TenantCtx, Timestamp,
    run::Run,
    workflow::{Cmd, Entry, Event, INTERP_VERSION, Interp, Program},
};
use connectus_store::steps::StepRow;
use futures::stream::FuturesUnordered;

use super::{OpenStep, Session, Unread, batch::effect_key};
use crate::{driver::step::Landed, parts::Parts};

/// A session as the journal left it, and what has come in since.
pub(super) async fn session<'p>(
    parts: &'p Parts,
    ctx: TenantCtx,
    run: Run,
) -> Result<(Session<'p>, Unread)> {
    if run.interp_version != INTERP_VERSION {
        let message = format!(
            "The run was started by interpreter version {}; this program has version {}.",
            run.interp_version, INTERP_VERSION
        );
        return Err(Error::internal(message));
    }
    let program = parts.programs.get(parts, &ctx, &run.definition_hash).await?;
    let mut session = Session {
        parts,
        interp: Interp::new(program.clone(), run.input.clone()),
        program,
        generation: 0,
        seq: 0,
        position: 0,
        begun: false,
        cancelled: false,
        steps: BTreeMap::new(),
        timers: BTreeMap::new(),
        flying: FuturesUnordered::new(),
        ctx,
        run: Arc::new(run),
    };
    if session.run.started_at.is_none() {
        let unread = Unread { start: true, ..session.unread().await? };
        return Ok((session, unread));
    }
    let mut conn = parts.store.read().await?;
    let journal = conn.journal(&session.ctx, &session.run.id).await?;
    let rows = conn.steps(&session.ctx, &session.run.id).await?;
    drop(conn);
    let awaiting_start = session.replay(&journal)?;
    let landed = session.resume(&rows).await?;
    let unread = Unread { start: awaiting_start, landed, ..session.unread().await? };
    Ok((session, unread))
}

impl Session<'_> {
    /// Feeds the journal to the interpreter. Tells whether the run still has to be started: its
    /// journal is empty, or ends with the end of a generation.
    fn replay(&mut self, journal: &[String]) -> Result<bool> {
        let mut awaiting_start = true;
        for text in journal {
            let entry = Entry::from_json(text)?;
            awaiting_start = false;
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
                awaiting_start |= self.remember(command);
            }
        }
        Ok(awaiting_start)
    }

    /// Notes a command of the past. True when it starts the run over.
    fn remember(&mut self, command: Cmd) -> bool {
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
                if let Some(step) = self.steps.get(&id) {
                    step.stop.cancel();
                }
            }
            Cmd::ContinueAs(input) => {
                self.generation += 1;
                self.interp = Interp::new(Arc::<Program>::clone(&self.program), input);
                return true;
            }
            _ => {}
        }
        false
    }

    /// Matches open steps with what is known of their attempts. A step that must not be repeated
    /// and whose outcome is unknown is answered as failed.
    async fn resume(&mut self, rows: &[StepRow]) -> Result<Vec<Landed>> {
        self.position = rows.iter().map(|row| row.position).max().unwrap_or(0);
        let mut landed = Vec::new();
        for row in rows {
            let Some(step) = self.steps.get_mut(&row.step_id) else { continue };
            step.position = Some(row.position);
            step.since = row.started_at;
            step.next_at = row.next_attempt_at.unwrap_or_default();
            let interrupted = row.status == "running";
            step.failed = row.attempts.saturating_sub(u32::from(interrupted));
            if !interrupted {
                continue;
            }
            let key = effect_key(&self.run, &step.key_suffix);
            let mut conn = self.parts.store.read().await?;
            if let Some(effect) = conn.effect(&self.ctx, &key).await?
                && effect.state == "sent"
                && effect.kind == "at_most_once"
            {
                landed.push(Landed::unknown(&row.step_id, row.attempts, row.started_at));
            }
        }
        Ok(landed)
    }
}
