//! The one SQLite writer. Jobs queue up; whatever has queued commits together, so that the cost of
//! one fsync is shared (group commit). A failing job is undone alone, by its savepoint.

use std::{panic::AssertUnwindSafe, sync::Arc};

use connectus_core::{Env, Error, Result, event::Event};
use connectus_sqlite::{Connection, Options};
use futures::{FutureExt, future::BoxFuture};
use sqlx::Connection as _;
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::{mpsc, oneshot},
};

use crate::{
    announce::{Announcer, Inbox},
    checkpoint::Checkpoints,
    conn::{Conn, Tx},
    error::StoreError,
    readers::closed,
};

/// Jobs that may wait; beyond it callers wait for a place.
const QUEUE: usize = 1024;
/// Jobs that commit together at most, so that one commit stays short.
const GROUP: usize = 128;

/// Tells a caller how its job ended, once durable.
type Settle = Box<dyn FnOnce(Result<()>) + Send>;
type Work = Box<dyn for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, (Result<()>, Settle)> + Send>;

struct Job {
    work: Work,
    /// Tells the caller why the work could not even begin.
    refuse: oneshot::Sender<Error>,
}

/// What the writer works with beside its connection.
pub(crate) struct Desk {
    pub env: Env,
    pub announcer: Announcer,
}

#[derive(Clone)]
pub(crate) struct Writer {
    jobs: mpsc::Sender<Option<Job>>,
}

impl Writer {
    /// Starts the writer on a thread of its own: it computes and waits for the disk, and a thread
    /// of the runtime should do neither for long. A runtime of one thread shall have no other:
    /// there the writer is a task, and nothing depends on which thread is faster.
    ///
    /// # Errors
    /// `internal` when the system has no thread left.
    pub(crate) fn start(options: Options, conn: Connection, desk: Desk) -> Result<Self> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let (runtime, mut conn) = (Handle::current(), Box::new(conn));
        if runtime.runtime_flavor() == RuntimeFlavor::CurrentThread {
            runtime.spawn(write_loop(conn, desk, None, queue));
            return Ok(Self { jobs });
        }
        let checkpoints = Some(Checkpoints::start(&mut conn, options)?);
        let work = move || runtime.block_on(write_loop(conn, desk, checkpoints, queue));
        let thread = std::thread::Builder::new().name("database-writer".to_owned());
        thread.spawn(work).map_err(Error::internal)?;
        Ok(Self { jobs })
    }

    pub(crate) async fn run<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let (refuse, refused) = oneshot::channel();
        let work: Work = Box::new(move |tx| {
            Box::pin(async move {
                match AssertUnwindSafe(work(tx)).catch_unwind().await {
                    Ok(Ok(value)) => (Ok(()), settle_with(answer, value)),
                    Ok(Err(error)) => (Err(error.clone()), settle_failed(answer, error)),
                    Err(_) => {
                        let error = Error::internal("a write job panicked");
                        (Err(error.clone()), settle_failed(answer, error))
                    }
                }
            })
        });
        self.jobs.send(Some(Job { work, refuse })).await.map_err(|_| closed())?;
        match answered.await {
            Ok(outcome) => outcome,
            Err(_) => Err(refused.await.unwrap_or_else(|_| closed())),
        }
    }

    /// Commits what is queued and ends the loop.
    pub(crate) async fn close(&self) {
        let _ = self.jobs.send(None).await;
        self.jobs.closed().await;
    }
}

type Answer<T> = oneshot::Sender<Result<T>>;

fn settle_with<T: Send + 'static>(answer: Answer<T>, value: T) -> Settle {
    Box::new(move |outcome| {
        let _ = answer.send(outcome.map(|()| value));
    })
}

fn settle_failed<T: Send + 'static>(answer: Answer<T>, error: Error) -> Settle {
    Box::new(move |_| {
        let _ = answer.send(Err(error));
    })
}

async fn write_loop(
    conn: Box<Connection>,
    desk: Desk,
    mut checkpoints: Option<Checkpoints>,
    mut queue: mpsc::Receiver<Option<Job>>,
) {
    let mut tx = Tx::new(Conn::SqliteWriter(conn), desk.env);
    let mut group = Vec::with_capacity(GROUP);
    let mut open = true;
    while open && queue.recv_many(&mut group, GROUP).await > 0 {
        let jobs: Vec<Job> = group
            .drain(..)
            .filter_map(|job| {
                open &= job.is_some();
                job
            })
            .collect();
        commit_group(&mut tx, jobs, &desk.announcer).await;
        if let (Some(checkpoints), Conn::SqliteWriter(conn)) = (&mut checkpoints, &mut tx.conn) {
            checkpoints.committed(conn);
        }
    }
    // The writer's connection is closed last: only then can the log be emptied.
    if let Some(checkpoints) = checkpoints {
        checkpoints.stop();
    }
    if let Conn::SqliteWriter(conn) = tx.conn {
        // A clean close checkpoints the WAL; failing that, the next open does.
        let _ = conn.close().await;
    }
    // Whoever closes the store waits for this.
    drop(queue);
}

struct Settled {
    settle: Settle,
    emitted: Vec<Arc<Event>>,
    told: Inbox,
    /// Whether it failed and left nothing behind.
    is_undone: bool,
}

async fn commit_group(tx: &mut Tx, jobs: Vec<Job>, announcer: &Announcer) {
    if jobs.is_empty() {
        return;
    }
    if let Err(error) = execute(tx, "BEGIN IMMEDIATE") {
        for job in jobs {
            let _ = job.refuse.send(error.clone());
        }
        return;
    }
    let mut settled = Vec::with_capacity(jobs.len());
    // One alone needs no mark to go back to: the whole transaction is its own.
    let is_alone = jobs.len() == 1;
    for job in jobs {
        settled.extend(if is_alone { run_alone(tx, job).await } else { run_job(tx, job).await });
    }
    let is_undone = settled.iter().all(|job| job.is_undone);
    let committed = if is_undone { Ok(()) } else { execute(tx, "COMMIT") };
    if is_undone || committed.is_err() {
        let _ = execute(tx, "ROLLBACK");
    }
    for Settled { settle, emitted, told, .. } in settled {
        if committed.is_ok() {
            announcer.committed(emitted, told);
        }
        settle(committed.clone());
    }
}

async fn run_alone(tx: &mut Tx, job: Job) -> Option<Settled> {
    tx.emitted.clear();
    tx.told = Inbox::default();
    let (outcome, settle) = (job.work)(tx).await;
    Some(settled(tx, settle, outcome.is_err()))
}

async fn run_job(tx: &mut Tx, job: Job) -> Option<Settled> {
    if let Err(error) = execute(tx, "SAVEPOINT job") {
        let _ = job.refuse.send(error);
        return None;
    }
    let settled = run_alone(tx, job).await;
    if settled.as_ref().is_some_and(|job| job.is_undone) {
        let _ = execute(tx, "ROLLBACK TO job");
    }
    let _ = execute(tx, "RELEASE job");
    settled
}

/// What becomes of a job: nothing is told of one that failed.
fn settled(tx: &mut Tx, settle: Settle, is_undone: bool) -> Settled {
    let (emitted, told) = (std::mem::take(&mut tx.emitted), std::mem::take(&mut tx.told));
    match is_undone {
        true => Settled { settle, emitted: Vec::new(), told: Inbox::default(), is_undone },
        false => Settled { settle, emitted, told, is_undone },
    }
}

fn execute(tx: &mut Tx, sql: &'static str) -> Result<()> {
    let Conn::SqliteWriter(conn) = &mut tx.conn else { return Err(closed()) };
    conn.once(sql).map_err(|error| StoreError::from(error).into())
}
