//! What comes in from outside: an event of a provider, an execution by hand. What is told of it and
//! the runs it starts become durable together, with those of others that come in meanwhile.
//!
//! The engine may have begun on a run before it is written down (see [`door`](super::door)). Then
//! the run is accepted as far as it is by then, in one row and one commit.

use std::{collections::HashSet, sync::Arc};

use connectus_core::{
    Env, Payload, Result, RunId, TenantCtx, TenantId,
    audit::Outcome,
    event::EventType,
    run::{Run, RunStatus},
};
use connectus_store::{
    Tx,
    events::NewEvent,
    receipts::Receipt,
    request::Request,
    runs::{Accepted, NewRun},
};
use serde_json::json;

use super::{settle, turn::Turn};

/// Something that comes in, and what it starts.
pub(crate) struct Arrival {
    /// Whose it is, and on whose behalf runs are started.
    pub ctx: TenantCtx,
    /// What tells it from others: it is taken once.
    pub receipt: Option<Receipt>,
    /// What is told of it.
    pub told: Vec<NewEvent>,
    /// The runs it starts.
    pub runs: Vec<NewRun>,
    /// What is written of each run that is new.
    pub about: About,
}

impl Arrival {
    /// Its runs, as they are accepted.
    pub fn accept(&mut self, env: &Env) -> Vec<Arc<Run>> {
        let runs = std::mem::take(&mut self.runs);
        runs.into_iter().map(|new| Arc::new(new.accept(&self.ctx, env))).collect()
    }
}

/// What is written of a run that is accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum About {
    /// Nothing: what started it says enough.
    #[default]
    Nothing,
    /// An event.
    Told,
    /// An event, and who asked for it.
    Audited,
}

/// What became of an arrival.
#[derive(Clone, Debug)]
pub(crate) enum Arrived {
    /// It was taken before.
    Replayed,
    /// It was taken, and these are its runs.
    Taken(Vec<Started>),
}

/// A run that an arrival started.
#[derive(Clone, Debug)]
pub(crate) struct Started {
    /// The run, as far as it was when it was accepted.
    pub run: Arc<Run>,
    /// Whether it is new; else it is the one that took its dedupe key.
    pub created: bool,
    /// Whether what the engine has begun on it counts.
    pub lives: bool,
}

/// An arrival whose runs are ready to be written down.
#[derive(Clone)]
pub(super) struct Entrance {
    pub ctx: TenantCtx,
    pub request: Option<Request>,
    pub receipt: Option<Receipt>,
    pub told: Vec<NewEvent>,
    pub starts: Vec<Start>,
    pub about: About,
}

/// A run that is ready to be written down.
#[derive(Clone)]
pub(super) struct Start {
    /// The run, waiting for its turn.
    pub queued: Arc<Run>,
    /// What the engine made of it, if it has begun.
    pub birth: Option<Birth>,
}

/// The first turn of a run.
#[derive(Clone)]
pub(super) struct Birth {
    /// The run after it.
    pub run: Arc<Run>,
    pub turn: Box<Turn>,
}

impl Birth {
    /// What a run is after its first turn.
    pub fn of(turn: Box<Turn>) -> Self {
        let now = turn.job.parts.env().now();
        let mut run = Run { started_at: Some(now), ..(*turn.job.run).clone() };
        run.progress.clone_from(&turn.note.progress);
        run.status = RunStatus::Running;
        if let Some(rest) = &turn.rest {
            run.status = RunStatus::Waiting;
            run.due_at = rest.due;
        }
        if let Some(outcome) = &turn.batch.outcome {
            let (output, error) = outcome.parts();
            run.status = outcome.status();
            run.output = output.cloned().map(Payload::from);
            run.error = error;
            run.finished_at = Some(now);
        }
        Self { run: run.into(), turn }
    }
}

/// Arrivals as a transaction has written them.
pub(super) struct Came<'e> {
    entrances: Vec<&'e Entrance>,
    pub arrived: Vec<Arrived>,
    /// The first turns that are to be written.
    pub born: Vec<&'e Turn>,
    /// What is to be told before them.
    pub events: Vec<NewEvent>,
}

/// Writes the rows of arrivals: their receipts and their runs.
///
/// # Errors
/// What the database says.
pub(super) async fn write<'e>(tx: &mut Tx, entrances: Vec<&'e Entrance>) -> Result<Came<'e>> {
    let receipts: Vec<&Receipt> =
        entrances.iter().filter_map(|entrance| entrance.receipt.as_ref()).collect();
    let mut fresh = tx.take_receipts(&receipts).await?;
    // The same event may have come in twice at once: the first one takes the receipt.
    let is_new: Vec<bool> = entrances
        .iter()
        .map(|entrance| entrance.receipt.as_ref().is_none_or(|receipt| fresh.remove(receipt)))
        .collect();
    let taken = entrances.iter().zip(&is_new).filter(|(_, is_new)| **is_new);
    let starts: Vec<&'e Start> = taken.flat_map(|(entrance, _)| &entrance.starts).collect();
    let paused = paused(tx, &starts).await?;
    let birth = |start: &'e Start| {
        let queue = (&start.queued.tenant, start.queued.queue.as_str());
        start.birth.as_ref().filter(|_| !paused.contains(&queue))
    };
    let rows: Vec<Accepted<'_>> = starts
        .iter()
        .map(|start| match birth(start) {
            Some(birth) => Accepted { run: &birth.run, claims: birth.turn.job.claim.number },
            None => Accepted { run: &start.queued, claims: 0 },
        })
        .collect();
    let accepted = tx.put_runs(&rows).await?;
    let mut came = Came { entrances, arrived: Vec::new(), born: Vec::new(), events: Vec::new() };
    for (entrance, is_new) in came.entrances.iter().zip(is_new) {
        if !is_new {
            came.arrived.push(Arrived::Replayed);
            continue;
        }
        came.events.extend(entrance.told.iter().cloned());
        let mut started = Vec::with_capacity(entrance.starts.len());
        for start in &entrance.starts {
            let birth = birth(start);
            let one = begun(tx, entrance, start, birth, &accepted).await?;
            came.born.extend(birth.filter(|_| one.lives).map(|birth| &*birth.turn));
            came.events.extend(announced(entrance, &one));
            started.push(one);
        }
        came.arrived.push(Arrived::Taken(started));
    }
    Ok(came)
}

/// The queues among those of begun runs that are paused for their tenants.
async fn paused<'e>(tx: &mut Tx, starts: &[&'e Start]) -> Result<HashSet<(&'e TenantId, &'e str)>> {
    let begun = starts.iter().filter(|start| start.birth.is_some());
    let queues: HashSet<_> =
        begun.map(|start| (&start.queued.tenant, start.queued.queue.as_str())).collect();
    let mut paused = HashSet::new();
    for (tenant, queue) in queues {
        if tx.is_queue_paused(tenant, queue).await? {
            paused.insert((tenant, queue));
        }
    }
    Ok(paused)
}

async fn begun(
    tx: &mut Tx,
    entrance: &Entrance,
    start: &Start,
    birth: Option<&Birth>,
    accepted: &HashSet<RunId>,
) -> Result<Started> {
    let run = birth.map_or(&start.queued, |birth| &birth.run);
    if accepted.contains(&run.id) {
        return Ok(Started { run: run.clone(), created: true, lives: birth.is_some() });
    }
    let key = run.dedupe_key.as_deref().unwrap_or_default();
    let run = tx.run_by_dedupe_key(&entrance.ctx, key).await?;
    Ok(Started { run: run.into(), created: false, lives: false })
}

/// The event that says that a run was accepted.
fn announced(entrance: &Entrance, started: &Started) -> Option<NewEvent> {
    let run = &started.run;
    (started.created && entrance.about != About::Nothing).then(|| NewEvent {
        tenant: run.tenant.clone(),
        kind: EventType::RunCreated,
        subject: run.id.to_string(),
        data: settle::about(run),
    })
}

impl Came<'_> {
    /// Writes who asked for what. Comes last: on PostgreSQL it locks the tenants.
    ///
    /// # Errors
    /// What the database says; `idempotency_in_flight` when another request holds the key by now.
    pub async fn record(self, tx: &mut Tx) -> Result<Vec<Arrived>> {
        for (entrance, arrived) in self.entrances.iter().zip(&self.arrived) {
            let Arrived::Taken(started) = arrived else { continue };
            tx.serve(entrance.request.clone());
            for one in started {
                if one.created && entrance.about == About::Audited {
                    let (detail, subject) = (json!({ "run": one.run.id }), &one.run.subject_id);
                    let (ctx, done) = (&entrance.ctx, Outcome::Success);
                    tx.audit_outcome(ctx, "workflow.executed", subject, done, detail).await?;
                }
            }
            let subject = started.first().map_or("", |one| one.run.id.as_str());
            tx.apply_claim_to(subject).await?;
        }
        tx.serve(None);
        Ok(self.arrived)
    }
}
