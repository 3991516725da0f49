//! Works on a run of a workflow until it ends or rests: feeds the interpreter what happened,
//! journals it, and does what the interpreter commands.
//!
//! One transaction carries what was learnt, what it means for the run and the intent of the next
//! steps; only then do the steps begin. A process that dies in between repeats at most the steps
//! whose answers are not in the journal, under the same idempotency keys.

pub(super) mod batch;
mod generation;
mod load;
mod local;
mod obey;
pub(super) mod open;

pub(super) use self::batch::effect_key;
pub(crate) use self::generation::Continued;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use connectus_core::{
    Result, Timestamp,
    workflow::{Entry, Event, Interp, Program},
};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use self::{
    batch::Batch,
    open::{OpenStep, Unread},
};
use super::{
    job::Job,
    step::{self, Landed},
};

/// A run that only a signal can move is due then: the year 2200.
const FAR_FUTURE: Timestamp = Timestamp::from_secs(7_258_118_400);

/// Works on a run until it ends or rests.
///
/// # Errors
/// When the database fails or the journal cannot be replayed; the run stays as it was journalled.
pub(super) async fn work(job: &Job, nudge: &Notify, draining: &CancellationToken) -> Result<()> {
    let (mut session, unread) = load::session(job).await?;
    session.run(unread, nudge, draining).await
}

struct Session<'j> {
    job: &'j Job,
    program: Arc<Program>,
    interp: Interp,
    generation: u32,
    /// Entries in the journal.
    seq: u64,
    /// Steps begun, for their place in the list.
    position: i64,
    /// Whether the run is marked as begun.
    begun: bool,
    cancelled: bool,
    /// Steps that were commanded and have no answer yet.
    steps: BTreeMap<String, OpenStep>,
    /// Timers and deadlines by step. The journal is where they come from after a restart; the run's
    /// due time is what wakes the run for them.
    timers: BTreeMap<String, Timestamp>,
    flying: FuturesUnordered<BoxFuture<'static, Landed>>,
}

/// What a session does after a commit.
enum Next {
    /// Nothing: the run has ended or rests.
    Leave,
    /// Read what came in while it was being put to rest.
    Read,
    /// Wait for steps under way.
    Wait,
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
            self.plan(&mut batch, draining).await;
            unread = match self.advance(batch, draining).await? {
                Next::Leave => return Ok(()),
                Next::Read => self.unread().await?,
                Next::Wait => self.wait(nudge, draining).await?,
            };
        }
    }

    /// Commits a batch, then lets its steps begin and end.
    async fn advance(&mut self, batch: Batch, draining: &CancellationToken) -> Result<Next> {
        let over = batch.outcome.is_some();
        let idle = self.flying.is_empty() && batch.begins.is_empty() && !over;
        let rest = idle.then(|| {
            if draining.is_cancelled() { self.job.parts.env().now() } else { self.next_due() }
        });
        let (launches, stops) = (batch.launches(), batch.stops.clone());
        let rested =
            if idle || !batch.is_empty() { self.commit(batch, rest).await? } else { false };
        for step in stops.iter().filter_map(|id| self.steps.get(id)) {
            step.stop.cancel();
        }
        for (id, kind) in launches {
            self.launch(&id, kind);
        }
        Ok(match (over || rested, idle) {
            (true, _) => Next::Leave,
            (false, true) => Next::Read,
            (false, false) => Next::Wait,
        })
    }

    /// Waits for the first thing that happens and takes it in. Steps are under way.
    async fn wait(&mut self, nudge: &Notify, draining: &CancellationToken) -> Result<Unread> {
        // Nothing new begins in a drain, so that nothing can become due.
        let due = if draining.is_cancelled() { FAR_FUTURE } else { self.next_due() };
        let due = due.0.saturating_sub(self.job.parts.env().now().0).max(0);
        let due = Duration::from_micros(u64::try_from(due).unwrap_or(0));
        let mut unread = Unread::default();
        tokio::select! {
            // In this order, so that the same things happening end in the same journal. Mail is
            // rare: it cannot keep a step from landing, as steps could keep mail from being read.
            biased;
            () = nudge.notified() => unread = self.unread().await?,
            landed = self.flying.next() => unread.landed.extend(landed),
            () = tokio::time::sleep(due) => {}
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
        let at = self.job.parts.env().now();
        let entry = Entry { at, event: event.clone() };
        batch.entries.push((self.seq, entry.to_json()));
        self.seq += 1;
        for command in self.interp.on(at, event) {
            self.obey(batch, command);
        }
    }

    /// A timer that is due; the earliest first.
    fn due_timer(&mut self) -> Option<String> {
        let now = self.job.parts.env().now();
        let (id, at) = self.timers.iter().min_by_key(|(_, at)| **at)?;
        let id = (*at <= now).then(|| id.clone())?;
        self.timers.remove(&id);
        Some(id)
    }

    fn launch(&mut self, id: &str, kind: &'static str) {
        if let Some(attempt) = self.attempt(id, kind) {
            self.flying.push(step::attempt(attempt).boxed());
        }
    }
}
