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
    turn::Turn,
};

/// A run that only a signal can move is due then: the year 2200.
const FAR_FUTURE: Timestamp = Timestamp::from_secs(7_258_118_400);

/// Works on a claimed run until it ends or rests.
///
/// # Errors
/// When the database fails or the journal cannot be replayed; the run stays as it was journalled.
pub(super) async fn work(job: &Job, nudge: &Notify, draining: &CancellationToken) -> Result<()> {
    let (mut session, unread) = load::session(job).await?;
    let next = session.advance(unread, draining).await?;
    session.go_on(next, nudge, draining).await
}

/// The first turn of a run that is not written down yet: what is to be written with it, and the
/// session that goes on from there. `None` where there is nothing to write.
///
/// # Errors
/// As [`work`].
pub(super) async fn begin(
    job: &Job,
    draining: &CancellationToken,
) -> Result<Option<(Turn, Begun)>> {
    let (mut session, unread) = load::session(job).await?;
    let (turn, after) = session.turn(unread, draining).await;
    Ok(turn.map(|turn| (turn, Begun { session: Box::new(session), after })))
}

/// A session whose first turn was written with its run.
pub(super) struct Begun {
    session: Box<Session>,
    after: After,
}

impl Begun {
    /// Works on the run until it ends or rests.
    ///
    /// # Errors
    /// As [`work`].
    pub async fn work(mut self, nudge: &Notify, draining: &CancellationToken) -> Result<()> {
        let next = self.session.act(self.after, false);
        self.session.go_on(next, nudge, draining).await
    }
}

struct Session {
    job: Job,
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
    /// Whether it knows a value that is too large for a row.
    has_large: bool,
    /// Steps that were commanded and have no answer yet.
    steps: BTreeMap<String, OpenStep>,
    /// Timers and deadlines by step. The journal is where they come from after a restart; the run's
    /// due time is what wakes the run for them.
    timers: BTreeMap<String, Timestamp>,
    flying: FuturesUnordered<BoxFuture<'static, Landed>>,
}

/// What follows from a turn once it is durable.
struct After {
    /// Whether the run has ended.
    over: bool,
    /// Whether nothing is under way.
    idle: bool,
    /// The steps to launch, and the kind of their effect.
    launches: Vec<(String, &'static str)>,
    /// The steps to stop.
    stops: Vec<String>,
}

/// What a session does next.
enum Next {
    /// Nothing: the run has ended or rests.
    Leave,
    /// Read what came in while it was being put to rest.
    Read,
    /// Wait for steps under way.
    Wait,
}

impl Session {
    async fn go_on(
        &mut self,
        mut next: Next,
        nudge: &Notify,
        draining: &CancellationToken,
    ) -> Result<()> {
        loop {
            let unread = match next {
                Next::Leave => return Ok(()),
                Next::Read => self.unread().await?,
                Next::Wait => self.wait(nudge, draining).await?,
            };
            next = self.advance(unread, draining).await?;
        }
    }

    /// Takes in what came in, commits what follows from it and lets steps begin and end.
    async fn advance(&mut self, unread: Unread, draining: &CancellationToken) -> Result<Next> {
        let (turn, after) = self.turn(unread, draining).await;
        let rested = match turn {
            Some(turn) => self.job.committer().commit(&self.job.parts.store, turn).await?,
            None => false,
        };
        Ok(self.act(after, rested))
    }

    /// What is to be written next, if anything is, and what follows from it.
    async fn turn(
        &mut self,
        unread: Unread,
        draining: &CancellationToken,
    ) -> (Option<Turn>, After) {
        let mut batch = Batch::default();
        self.read(&mut batch, unread);
        self.plan(&mut batch, draining).await;
        let over = batch.outcome.is_some();
        let idle = self.flying.is_empty() && batch.begins.is_empty() && !over;
        let rest = idle.then(|| {
            if draining.is_cancelled() { self.job.parts.env().now() } else { self.next_due() }
        });
        let (launches, stops) = (batch.launches(), batch.stops.clone());
        let turn = (idle || !batch.is_empty()).then(|| self.turn_of(batch, rest));
        (turn, After { over, idle, launches, stops })
    }

    /// Lets steps begin and end, as a turn that is durable now asks for.
    fn act(&mut self, after: After, rested: bool) -> Next {
        for step in after.stops.iter().filter_map(|id| self.steps.get(id)) {
            step.stop.cancel();
        }
        for (id, kind) in after.launches {
            self.launch(&id, kind);
        }
        match (after.over || rested, after.idle) {
            (true, _) => Next::Leave,
            (false, true) => Next::Read,
            (false, false) => Next::Wait,
        }
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
