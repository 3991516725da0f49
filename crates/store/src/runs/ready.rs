//! What the engine asks and does across tenants: which runs wait for their turn, when others are
//! due, which of those under way have mail, and what becomes of them when an engine ends.

use connectus_core::{RunId, TenantCtx, TenantId, Timestamp, queue::Place, run::Run};
use sqlx::FromRow;

use super::RunClaim;
use crate::{
    conn::{Conn, Tx},
    error::StoreResult,
    journal::PendingSignal,
    sql::{on, sql},
};

/// What there is to know of a run that waits for its turn.
macro_rules! standing {
    () => {
        "tenant_id, id, queue, status, (started_at IS NULL) AS is_new, due_at, priority, held, \
         (concurrency_key IS NOT NULL) AS is_keyed"
    };
}
pub(crate) use standing;

/// What holds a run back while its queue is paused: everything but the wish to stop it.
macro_rules! unpaused {
    () => {
        " AND (cancel_requested OR (\
         NOT EXISTS (SELECT 1 FROM queue_pauses AS p \
         WHERE p.tenant_id = runs.tenant_id AND p.queue = runs.queue) \
         AND NOT EXISTS (SELECT 1 FROM installation AS i \
         WHERE i.name = 'queue_stopped:' || runs.queue)))"
    };
}
pub(super) use unpaused;

sql! {
    // Goes from tenant to tenant, past all runs of each: a backlog does not make it slow.
    LINES = "WITH RECURSIVE line(tenant_id) AS (\
             SELECT MIN(tenant_id) FROM runs WHERE status = 'queued' AND queue = $1 \
             AND held = FALSE UNION ALL \
             SELECT (SELECT MIN(tenant_id) FROM runs WHERE status = 'queued' AND queue = $1 \
             AND held = FALSE AND tenant_id > line.tenant_id) \
             FROM line WHERE line.tenant_id IS NOT NULL) \
             SELECT tenant_id FROM line WHERE tenant_id IS NOT NULL";
    LINE = concat!("SELECT ", standing!(), " FROM runs \
            WHERE status = 'queued' AND queue = $1 AND held = FALSE AND tenant_id = $2",
            unpaused!(), " ORDER BY (started_at IS NULL), (due_at - priority * 10000000) LIMIT $3");
    NEXT_DUE = "SELECT MIN(due_at) FROM runs WHERE status = 'waiting'";
    COME_DUE = concat!("UPDATE runs SET status = 'queued' \
                WHERE COALESCE(status, '') = 'waiting' AND (tenant_id, id) IN (\
                SELECT tenant_id, id FROM runs WHERE status = 'waiting' AND due_at <= $1 \
                ORDER BY due_at LIMIT $2) RETURNING ", standing!());
    WITH_MAIL = "SELECT r.tenant_id, r.id FROM runs r WHERE r.status = 'running' \
                 AND (r.cancel_requested OR EXISTS (SELECT 1 FROM run_signals s \
                 WHERE s.tenant_id = r.tenant_id AND s.run_id = r.id))";
    CLAIMS = "SELECT tenant_id, id, claims FROM runs WHERE status = 'running'";
    RELEASE = "UPDATE runs SET status = 'queued' WHERE status = 'running'";
    ORPHANS = "UPDATE runs SET crashes = crashes + 1, \
               status = CASE WHEN crashes < 2 THEN 'queued' ELSE 'waiting' END, \
               due_at = CASE WHEN crashes < 2 THEN due_at ELSE $1 + 500 * crashes * crashes END \
               WHERE status = 'running'";
    CANCEL_REQUESTED = "SELECT cancel_requested FROM runs WHERE tenant_id = $1 AND id = $2";
}

/// A run that waits for its turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadyRun {
    /// Whose run it is.
    pub tenant: TenantId,
    /// Which run.
    pub run: RunId,
    /// The queue it waits in.
    pub queue: String,
    /// Its place among those of its tenant.
    pub place: Place,
    /// Whether few of its kind may be under way at once.
    pub is_keyed: bool,
}

impl ReadyRun {
    /// A run that was just accepted.
    pub fn of(run: &Run) -> Self {
        Self {
            tenant: run.tenant.clone(),
            run: run.id.clone(),
            queue: run.queue.clone(),
            place: Place::of(run.started_at.is_none(), run.due_at, run.priority),
            is_keyed: run.turnstile.is_some(),
        }
    }
}

/// What came in for a run: the wish to stop it, and signals.
#[derive(Clone, Debug, Default)]
pub struct Mail {
    /// Whether someone asked to stop the run.
    pub cancel: bool,
    /// Signals it has not read, oldest first.
    pub signals: Vec<PendingSignal>,
}

/// A run as it stands.
#[derive(FromRow)]
pub(crate) struct Standing {
    tenant_id: String,
    id: String,
    queue: String,
    status: String,
    is_new: bool,
    due_at: i64,
    priority: i64,
    held: bool,
    is_keyed: bool,
}

impl Standing {
    fn ready(self) -> ReadyRun {
        ReadyRun {
            tenant: TenantId::trusted(self.tenant_id),
            run: RunId::trusted(self.id),
            queue: self.queue,
            place: Place::of(self.is_new, Timestamp(self.due_at), self.priority),
            is_keyed: self.is_keyed,
        }
    }
}

#[derive(FromRow)]
struct Row {
    tenant_id: String,
    id: String,
}

impl Conn {
    /// The tenants that have queued runs in a queue.
    ///
    /// # Errors
    /// What the database says.
    pub async fn lines(&mut self, queue: &str) -> StoreResult<Vec<TenantId>> {
        let rows: Vec<(String,)> =
            on!(self, c => sqlx::query_as(LINES).bind(queue).fetch_all(c).await?);
        Ok(rows.into_iter().map(|(tenant,)| TenantId::trusted(tenant)).collect())
    }

    /// The first queued runs of a tenant in a queue, `limit` at most. Where the queue is paused,
    /// only those that are to stop.
    ///
    /// # Errors
    /// What the database says.
    pub async fn line(
        &mut self,
        queue: &str,
        tenant: &TenantId,
        limit: usize,
    ) -> StoreResult<Vec<ReadyRun>> {
        let rows: Vec<Standing> = on!(self, c => sqlx::query_as(LINE)
            .bind(queue)
            .bind(tenant.as_str())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(c)
            .await?);
        Ok(rows.into_iter().map(Standing::ready).collect())
    }

    /// When the next resting run is due.
    ///
    /// # Errors
    /// What the database says.
    pub async fn next_run_due(&mut self) -> StoreResult<Option<Timestamp>> {
        let (due,): (Option<i64>,) = on!(self, c => sqlx::query_as(NEXT_DUE).fetch_one(c).await?);
        Ok(due.map(Timestamp))
    }

    /// Runs under way that have unread signals or are to be stopped. There are never more than
    /// the queues admit at once.
    ///
    /// # Errors
    /// What the database says.
    pub async fn runs_with_mail(&mut self) -> StoreResult<Vec<(TenantId, RunId)>> {
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(WITH_MAIL).fetch_all(c).await?);
        let key = |row: Row| (TenantId::trusted(row.tenant_id), RunId::trusted(row.id));
        Ok(rows.into_iter().map(key).collect())
    }

    /// The claims on all runs under way. There are never more than the queues admit at once.
    ///
    /// # Errors
    /// What the database says.
    pub async fn claims(&mut self) -> StoreResult<Vec<RunClaim>> {
        let rows: Vec<(String, String, i64)> =
            on!(self, c => sqlx::query_as(CLAIMS).fetch_all(c).await?);
        Ok(rows
            .into_iter()
            .map(|(tenant, run, number)| RunClaim {
                tenant: TenantId::trusted(tenant),
                run: RunId::trusted(run),
                number,
            })
            .collect())
    }

    /// What came in for a run.
    ///
    /// # Errors
    /// What the database says.
    pub async fn mail(&mut self, ctx: &TenantCtx, run: &RunId) -> StoreResult<Mail> {
        let cancel: Option<(bool,)> = on!(self, c => sqlx::query_as(CANCEL_REQUESTED)
            .bind(ctx.tenant().as_str()).bind(run.as_str()).fetch_optional(c).await?);
        let signals = self.signals(ctx, run).await?;
        Ok(Mail { cancel: cancel.is_some_and(|(cancel,)| cancel), signals })
    }
}

impl Tx {
    /// Tells the engine how runs stand that something came in for.
    pub(crate) fn tell(&mut self, runs: Vec<Standing>) {
        for run in runs {
            match run.status.as_str() {
                "queued" if run.held => {}
                // A signal moves it no further.
                "quarantined" => {}
                "queued" => self.told.ready.push(run.ready()),
                "waiting" => self.told.due_at(Some(Timestamp(run.due_at))),
                _ => {
                    let key = (TenantId::trusted(run.tenant_id), RunId::trusted(run.id));
                    self.told.mail.push(key);
                }
            }
        }
    }

    /// Queues resting runs whose time has come, `limit` at most; how many there were.
    ///
    /// # Errors
    /// What the database says.
    pub async fn runs_come_due(&mut self, now: Timestamp, limit: usize) -> StoreResult<usize> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows: Vec<Standing> = on!(self, c => sqlx::query_as(COME_DUE)
            .bind(now.0).bind(limit).fetch_all(c).await?);
        let came = rows.len();
        self.tell(rows);
        Ok(came)
    }

    /// Queues what the engine was working on, at its orderly end. Only the owner of the engine may.
    ///
    /// # Errors
    /// What the database says.
    pub async fn release_runs(&mut self) -> StoreResult<u64> {
        Ok(on!(self, c => sqlx::query(RELEASE).execute(c).await?.rows_affected()))
    }

    /// Queues what an engine that died was working on, and counts that against the runs. A run
    /// that was under way at several deaths in a row may be their cause: from the third one on it
    /// waits, half a second times the square of its earlier deaths, so that others get further.
    /// Only the owner of the engine may. Returns how many runs that were.
    ///
    /// # Errors
    /// What the database says.
    pub async fn requeue_orphans(&mut self) -> StoreResult<u64> {
        let now = self.env.now().0;
        self.wake_engine();
        Ok(on!(self, c => sqlx::query(ORPHANS).bind(now).execute(c).await?.rows_affected()))
    }
}
