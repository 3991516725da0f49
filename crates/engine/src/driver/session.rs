//! Works on a run of a workflow until it ends or rests: feeds the interpreter what happened,
//! journals it, and does what the interpreter commands.
//!
//! One transaction carries what was learnt, what it means for the run and the intent of the next
//! steps; only then do the steps begin. A process that dies in between repeats at most the steps
//! whose answers are not in the journal, under the same idempotency keys.

mod batch;
mod load;
pub(super) mod open;

pub(super) use self::batch::effect_key;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use connectus_core::{
    Result, TenantCtx, Timestamp,
    run::Run,
    workflow::{Cmd, Entry, Event, Interp, Program},
};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use serde_json::Value;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use self::{
    batch::Batch,
    open::{OpenStep, Unread},
};
use super::{
    settle::Outcome,
    step::{self, Landed},
};
use crate::parts::Parts;

/// A run that only a signal can move is due then: the year 2200.
const FAR_FUTURE: Timestamp = Timestamp::from_secs(7_258_118_400);

/// Works on a run until it ends or rests.
///
/// # Errors
/// When the database fails or the journal cannot be replayed; the run stays as it was journalled.
pub(super) async fn work(
    parts: &Parts,
    ctx: TenantCtx,
    run: Run,
    nudge: &Notify,
    draining: &CancellationToken,
) -> Result<()> {
    let (mut session, unread) = load::session(parts, ctx, run).await?;
    session.run(unread, nudge, draining).await
}

struct Session<'p> {
    parts: &'p Parts,
    ctx: TenantCtx,
    run: Arc<Run>,
    program: Arc<Program>,
    interp: Interp,
    generation: u32,
    /// Entries in the journal.
    seq: u64,
    /// Steps begun, for their place in the list.
    position: i64,
    /// Whether the run is marked as being worked on.
    begun: bool,
    cancelled: bool,
    steps: BTreeMap<String, OpenStep>,
    timers: BTreeMap<String, Timestamp>,
    flying: FuturesUnordered<BoxFuture<'static, Landed>>,
}

impl Session<'_> {
    async fn run(
        &mut self,
        mut unread: Unread,
        nudge: &Notify,
        draining: &CancellationToken,
    ) -> Result<()> {
        loop {
            let mut batch = Batch::default();
            self.read(&mut batch, std::mem::take(&mut unread));
            self.fire_timers(&mut batch);
            if !draining.is_cancelled() {
                self.plan_steps(&mut batch);
            }
            if let Some(over) = self.advance(batch, draining).await? {
                if over {
                    return Ok(());
                }
                unread = self.unread().await?;
                continue;
            }
            unread = self.wait(nudge, draining).await?;
        }
    }

    /// Commits a batch and launches its steps. `Some(true)`: the run ended or rests; `Some(false)`:
    /// something came in meanwhile; `None`: steps are under way.
    async fn advance(
        &mut self,
        batch: Batch,
        draining: &CancellationToken,
    ) -> Result<Option<bool>> {
        let idle = self.flying.is_empty() && batch.begins.is_empty() && batch.outcome.is_none();
        let rest = idle.then(|| {
            if draining.is_cancelled() { self.parts.env().now() } else { self.next_due() }
        });
        let launches = batch.launches();
        let over = batch.outcome.is_some();
        let rested = self.commit(batch, rest).await?;
        if over || rested {
            return Ok(Some(true));
        }
        if rest.is_some() {
            return Ok(Some(false));
        }
        for (id, kind) in launches {
            self.launch(&id, kind);
        }
        Ok(None)
    }

    /// Waits for the first thing that happens and takes it in.
    async fn wait(&mut self, nudge: &Notify, draining: &CancellationToken) -> Result<Unread> {
        let due = self.next_due().0.saturating_sub(self.parts.env().now().0).max(0);
        let due = Duration::from_micros(u64::try_from(due).unwrap_or(0));
        let mut unread = Unread::default();
        tokio::select! {
            landed = self.flying.next() => unread.landed.extend(landed),
            () = nudge.notified() => unread = self.unread().await?,
            () = tokio::time::sleep(due) => {}
            () = draining.cancelled(), if self.flying.is_empty() => {}
        }
        // Whatever else has landed goes into the same transaction.
        while let Some(Some(landed)) = self.flying.next().now_or_never() {
            unread.landed.push(landed);
        }
        Ok(unread)
    }

    /// When a timer or a further attempt is due, whichever comes first.
    fn next_due(&self) -> Timestamp {
        let attempts = self.steps.values().filter(|step| !step.flying).map(|step| step.next_at);
        self.timers.values().copied().chain(attempts).min().unwrap_or(FAR_FUTURE)
    }

    /// Feeds the interpreter one event and notes what it commands.
    fn learn(&mut self, batch: &mut Batch, event: Event) {
        let at = self.parts.env().now();
        let entry = Entry { at, event: event.clone() };
        batch.entries.push((self.seq, entry.to_json()));
        self.seq += 1;
        for command in self.interp.on(at, event) {
            self.obey(batch, command);
        }
    }

    /// Notes one command. Nothing is done before the batch is committed.
    fn obey(&mut self, batch: &mut Batch, command: Cmd) {
        match command {
            Cmd::Step { .. } => {
                if let Some((id, step)) = OpenStep::commanded(command, self.parts.env().now()) {
                    self.steps.insert(id, step);
                }
            }
            Cmd::Timer { id, at } => {
                batch.timers.push((id.clone(), at));
                self.timers.insert(id, at);
            }
            Cmd::AwaitSignal { id, deadline, meta, name } => {
                batch.waits.push((id.clone(), name, meta));
                if let Some(at) = deadline {
                    batch.timers.push((id.clone(), at));
                    self.timers.insert(id, at);
                }
            }
            Cmd::Child { id, workflow, input, key_suffix, .. } => {
                batch.children.push(batch::Child { id, workflow, input, key_suffix });
            }
            Cmd::Cancel { id } => self.stop(batch, &id),
            Cmd::Progress(progress) => batch.progress = Some(progress),
            Cmd::ContinueAs(input) => self.start_over(batch, input),
            Cmd::Complete(output) => batch.outcome = Some(Outcome::Completed(output)),
            Cmd::Fail(error) if error.failure.code == "cancelled" => {
                batch.outcome = Some(Outcome::Cancelled);
            }
            Cmd::Fail(error) => {
                let detail = serde_json::json!({
                    "failed_step": error.step, "compensations": error.compensations,
                });
                batch.outcome = Some(Outcome::Failed(error.failure, Some(detail)));
            }
        }
    }

    fn stop(&mut self, batch: &mut Batch, id: &str) {
        if self.timers.remove(id).is_some() {
            batch.dropped_timers.push(id.to_owned());
        }
        let Some(step) = self.steps.get_mut(id) else {
            batch.stopped_children.push(id.to_owned());
            return;
        };
        step.stop.cancel();
        if !step.flying {
            // Nothing is under way that could answer.
            batch.unanswered.push(id.to_owned());
        }
    }

    fn start_over(&mut self, batch: &mut Batch, input: Value) {
        self.generation += 1;
        self.interp = Interp::new(self.program.clone(), input);
        batch.restart = true;
    }

    fn fire_timers(&mut self, batch: &mut Batch) {
        let now = self.parts.env().now();
        let due: Vec<String> = self
            .timers
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(id, _)| id.clone())
            .collect();
        for id in due {
            self.timers.remove(&id);
            batch.dropped_timers.push(id.clone());
            self.learn(batch, Event::Fired { id });
        }
    }

    fn launch(&mut self, id: &str, kind: &'static str) {
        let Some(open) = self.steps.get_mut(id) else { return };
        open.flying = true;
        let task = step::Attempt {
            parts: self.parts.clone(),
            ctx: self.ctx.clone(),
            run: self.run.clone(),
            id: id.to_owned(),
            open: open.clone(),
            kind,
        };
        self.flying.push(step::attempt(task).boxed());
    }
}
