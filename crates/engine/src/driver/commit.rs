//! Commits what sessions have learnt and what comes in, together: what queues up while one
//! transaction is written goes into the next. Nobody waits for company, so that a lone run is as
//! fast as it can be.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use connectus_core::{Error, Payload, Result, drill::Site};
use connectus_store::{Store, Tx};
use tokio::sync::oneshot;

use super::{
    arrive::{self, Arrived, Entrance},
    door::Newborn,
    turn::{self, Turn},
};

/// Entries that commit together at most, so that one transaction stays short.
const GROUP: usize = 256;

/// What waits to be committed. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Committer(Arc<Mutex<Queue>>);

#[derive(Default)]
struct Queue {
    waiting: Vec<Waiting>,
    /// Whether a task is committing; it takes what comes in meanwhile.
    led: bool,
}

/// What is written for one run that goes on, or for one thing that came in.
#[derive(Clone)]
enum Entry {
    Turn(Box<Turn>),
    Arrival(Box<Entrance>),
}

impl Entry {
    /// Writes values that are too large for a row beside the database, before anybody waits for
    /// the transaction that will refer to them.
    async fn write_ahead(&self, store: &Store) -> Result<()> {
        match self {
            Self::Turn(turn) => ahead(store, turn).await,
            Self::Arrival(entrance) => {
                for start in &entrance.starts {
                    if let Payload::Here(input) = &start.queued.input {
                        let tenant = &start.queued.tenant;
                        store.blobs().put_value(store.env(), tenant, input).await?;
                    }
                    if let Some(birth) = &start.birth {
                        ahead(store, &birth.turn).await?;
                    }
                }
                Ok(())
            }
        }
    }
}

async fn ahead(store: &Store, turn: &Turn) -> Result<()> {
    let (blobs, env, tenant) = (store.blobs(), store.env(), turn.job.ctx.tenant());
    for (_, line) in &turn.batch.entries {
        if line.len() > blobs.threshold() {
            blobs.put_line(env, tenant, line).await?;
        }
    }
    // What is made of small values is small, and if it is not, the transaction writes it.
    if turn.has_large {
        for value in turn.batch.values() {
            blobs.put_value(env, tenant, value).await?;
        }
        if let Some(continued) = &turn.batch.continued {
            let stored = serde_json::to_value(continued).map_err(Error::internal)?;
            blobs.put_value(env, tenant, &stored).await?;
        }
    }
    Ok(())
}

/// What became of an entry.
enum Written {
    /// Whether the run rests now.
    Turn(bool),
    Arrival(Arrived),
}

struct Waiting {
    entry: Entry,
    /// The runs of an arrival that the engine has begun on, in their order.
    newborns: Vec<Option<Newborn>>,
    answer: oneshot::Sender<Result<Written>>,
}

impl Committer {
    /// Commits a turn; tells whether its run rests now.
    ///
    /// # Errors
    /// `conflict` when another engine has the run; what the database says.
    pub async fn commit(&self, store: &Store, turn: Turn) -> Result<bool> {
        match self.written(store, Entry::Turn(Box::new(turn)), Vec::new()).await? {
            Written::Turn(rests) => Ok(rests),
            Written::Arrival(_) => Err(Error::internal("a turn was taken for an arrival")),
        }
    }

    /// Commits an arrival. Those of its runs that the engine has begun on go on afterwards, even if
    /// the caller is gone by then.
    ///
    /// # Errors
    /// What the database says.
    pub async fn admit(
        &self,
        store: &Store,
        entrance: Entrance,
        newborns: Vec<Option<Newborn>>,
    ) -> Result<Arrived> {
        match self.written(store, Entry::Arrival(Box::new(entrance)), newborns).await? {
            Written::Arrival(arrived) => Ok(arrived),
            Written::Turn(_) => Err(Error::internal("an arrival was taken for a turn")),
        }
    }

    async fn written(
        &self,
        store: &Store,
        entry: Entry,
        newborns: Vec<Option<Newborn>>,
    ) -> Result<Written> {
        entry.write_ahead(store).await?;
        let (answer, answered) = oneshot::channel();
        let leads = {
            let mut queue = self.lock();
            queue.waiting.push(Waiting { entry, newborns, answer });
            !std::mem::replace(&mut queue.led, true)
        };
        if leads {
            // A task of its own: the caller may be dropped, others' entries must not be.
            tokio::spawn(Lead(self.clone()).commit_all(store.clone()));
        }
        answered.await.map_err(|_| Error::internal("a commit was given up"))?
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // A poisoned queue is still a queue: entries are pushed and taken whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The duty to commit until nothing waits, passed on when dropped.
struct Lead(Committer);

impl Lead {
    async fn commit_all(self, store: Store) {
        while let Some(group) = self.next_group() {
            commit_group(&store, group).await;
        }
    }

    /// What is to be committed next; `None` ends the lead.
    fn next_group(&self) -> Option<Vec<Waiting>> {
        let mut queue = self.0.lock();
        let alone = |waiting: &Waiting| match &waiting.entry {
            Entry::Turn(turn) => turn.goes_alone(),
            Entry::Arrival(_) => false,
        };
        let size = match queue.waiting.iter().position(alone) {
            Some(0) => 1,
            Some(before) => before.min(GROUP),
            None => queue.waiting.len().min(GROUP),
        };
        queue.led = size > 0;
        queue.led.then(|| queue.waiting.drain(..size).collect())
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        // Nothing to do after an orderly end; after a panic the next entry leads.
        if std::thread::panicking() {
            self.0.lock().led = false;
        }
    }
}

/// Who waits for what became of an entry.
struct Asker {
    newborns: Vec<Option<Newborn>>,
    answer: oneshot::Sender<Result<Written>>,
}

impl Asker {
    fn hear(self, written: Result<Written>) {
        let started = match &written {
            Ok(Written::Arrival(Arrived::Taken(started))) => Some(started.as_slice()),
            // Nothing of it was written: the same had come in before.
            Ok(_) => None,
            Err(_) => Some(&[][..]),
        };
        for (place, newborn) in self.newborns.into_iter().enumerate() {
            let Some((newborn, started)) = newborn.zip(started) else { continue };
            newborn.settle(started.get(place));
        }
        let _ = self.answer.send(written);
    }
}

async fn commit_group(store: &Store, group: Vec<Waiting>) {
    let (entries, askers): (Vec<Entry>, Vec<Asker>) = group
        .into_iter()
        .map(|Waiting { entry, newborns, answer }| (entry, Asker { newborns, answer }))
        .unzip();
    let entries: Arc<[Entry]> = entries.into();
    match write(store, entries.clone()).await {
        Ok(outcomes) => {
            askers.into_iter().zip(outcomes).for_each(|(asker, outcome)| asker.hear(outcome));
        }
        Err(error) if entries.len() == 1 => {
            askers.into_iter().for_each(|asker| asker.hear(Err(error.clone())));
        }
        // One that cannot be written must not take the others with it.
        Err(_) => {
            for (entry, asker) in entries.iter().zip(askers) {
                let outcome = write(store, [entry.clone()].into()).await;
                let lost = || Err(Error::internal("nothing became of an entry"));
                asker.hear(outcome.and_then(|mut only| only.pop().unwrap_or_else(lost)));
            }
        }
    }
}

async fn write(store: &Store, entries: Arc<[Entry]>) -> Result<Vec<Result<Written>>> {
    let sites = sites(&entries);
    store.write_at(&sites, move |tx| Box::pin(async move { write_all(tx, &entries).await })).await
}

async fn write_all(tx: &mut Tx, entries: &[Entry]) -> Result<Vec<Result<Written>>> {
    let (mut turns, mut entrances) = (Vec::new(), Vec::new());
    for entry in entries {
        match entry {
            Entry::Turn(turn) => turns.push(&**turn),
            Entry::Arrival(entrance) => entrances.push(&**entrance),
        }
    }
    let mut came = arrive::write(tx, entrances).await?;
    let told = std::mem::take(&mut came.events);
    let turned = turn::write(tx, &turns, &came.born, told).await?;
    let arrived = came.record(tx).await?;
    let (mut turned, mut arrived) = (turned.into_iter(), arrived.into_iter());
    let outcome = |entry: &Entry| match entry {
        Entry::Turn(_) => Some(turned.next()?.map(Written::Turn)),
        Entry::Arrival(_) => Some(Ok(Written::Arrival(arrived.next()?))),
    };
    Ok(entries.iter().filter_map(outcome).collect())
}

/// Where a drill can reach in: what the entries are, and what is among them.
fn sites(entries: &[Entry]) -> Vec<Site> {
    let turns = || {
        entries.iter().flat_map(|entry| match entry {
            Entry::Turn(turn) => vec![&**turn],
            Entry::Arrival(entrance) => {
                let births = entrance.starts.iter().filter_map(|start| start.birth.as_ref());
                births.map(|birth| &*birth.turn).collect()
            }
        })
    };
    let among = |holds: fn(&Turn) -> bool, site| turns().any(holds).then_some(site);
    let came = |has_receipt: bool, site| {
        let fits = |entry: &Entry| match entry {
            Entry::Turn(_) => false,
            Entry::Arrival(entrance) => entrance.receipt.is_some() == has_receipt,
        };
        entries.iter().any(fits).then_some(site)
    };
    [
        came(true, Site::Intake),
        came(false, Site::Commit),
        among(|_| true, Site::Turn),
        among(|turn| !turn.batch.answers.is_empty(), Site::Answer),
        among(|turn| !turn.batch.children.is_empty(), Site::Child),
        among(|turn| turn.rest.is_some(), Site::Rest),
        among(|turn| turn.batch.outcome.is_some(), Site::End),
    ]
    .into_iter()
    .flatten()
    .collect()
}
