//! Commits what sessions have learnt, together: what queues up while one transaction is written
//! goes into the next. Nobody waits for company, so that a lone run is as fast as it can be.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use connectus_core::{Error, Result, drill::Site};
use connectus_store::Store;
use tokio::sync::oneshot;

use super::turn::{self, Turn};

/// Turns that commit together at most, so that one transaction stays short.
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

struct Waiting {
    turn: Turn,
    answer: oneshot::Sender<Result<bool>>,
}

impl Committer {
    /// Commits a turn; tells whether its run rests now.
    ///
    /// # Errors
    /// `conflict` when another engine has the run; what the database says.
    pub async fn commit(&self, store: &Store, turn: Turn) -> Result<bool> {
        let (answer, answered) = oneshot::channel();
        let leads = {
            let mut queue = self.lock();
            queue.waiting.push(Waiting { turn, answer });
            !std::mem::replace(&mut queue.led, true)
        };
        if leads {
            // A task of its own: the caller may be dropped, others' turns must not be.
            tokio::spawn(Lead(self.clone()).commit_all(store.clone()));
        }
        answered.await.map_err(|_| Error::internal("a commit was given up"))?
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // A poisoned queue is still a queue: turns are pushed and taken whole.
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
        let alone = |waiting: &Waiting| waiting.turn.goes_alone();
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
        // Nothing to do after an orderly end; after a panic the next turn leads.
        if std::thread::panicking() {
            self.0.lock().led = false;
        }
    }
}

async fn commit_group(store: &Store, group: Vec<Waiting>) {
    let (turns, answers): (Vec<Turn>, Vec<_>) =
        group.into_iter().map(|waiting| (waiting.turn, waiting.answer)).unzip();
    let turns: Arc<[Turn]> = turns.into();
    let committed = write(store, turns.clone()).await;
    match committed {
        Ok(outcomes) => answers.into_iter().zip(outcomes).for_each(|(answer, outcome)| {
            let _ = answer.send(outcome);
        }),
        Err(error) if turns.len() == 1 => answers.into_iter().for_each(|answer| {
            let _ = answer.send(Err(error.clone()));
        }),
        // One that cannot be written must not take the others with it.
        Err(_) => {
            for (turn, answer) in turns.iter().zip(answers) {
                let outcome = write(store, [turn.clone()].into()).await;
                let _ = answer.send(outcome.and_then(|mut only| only.pop().unwrap_or(Ok(false))));
            }
        }
    }
}

async fn write(store: &Store, turns: Arc<[Turn]>) -> Result<Vec<Result<bool>>> {
    let sites = sites(&turns);
    store.write_at(&sites, move |tx| Box::pin(async move { turn::write(tx, &turns).await })).await
}

/// Where a drill can reach in: what the turns are, and what is among them.
fn sites(turns: &[Turn]) -> Vec<Site> {
    let among = |holds: fn(&Turn) -> bool, site| turns.iter().any(holds).then_some(site);
    let within = [
        among(|turn| !turn.batch.answers.is_empty(), Site::Answer),
        among(|turn| !turn.batch.children.is_empty(), Site::Child),
        among(|turn| turn.rest.is_some(), Site::Rest),
        among(|turn| turn.batch.outcome.is_some(), Site::End),
    ];
    [Some(Site::Turn)].into_iter().chain(within).flatten().collect()
}
