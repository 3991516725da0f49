//! What the engine asks and does across tenants: when runs are due, which of those under way have
//! mail, and what becomes of them when an engine ends.

use connectus_core::{RunId, TenantCtx, TenantId, Timestamp};
use sqlx::FromRow;

use super::RunClaim;
use crate::{
    conn::{Conn, Tx},
    error::StoreResult,
    journal::PendingSignal,
    sql::{on, sql},
};

sql! {
    NEXT_DUE = "SELECT MIN(due_at) FROM (\
                SELECT MIN(due_at) AS due_at FROM runs WHERE status = 'waiting' AND queue = $1 \
                UNION ALL \
                SELECT MIN(due_at) AS due_at FROM runs WHERE status = 'queued' AND queue = $1\
                ) AS due";
    LANES = "SELECT lane.column1 AS queue, \
             (SELECT MIN(due_at) FROM runs WHERE status = 'waiting' AND queue = lane.column1) \
             AS waiting, \
             (SELECT MIN(due_at) FROM runs WHERE status = 'queued' AND queue = lane.column1) \
             AS queued, \
             EXISTS (SELECT 1 FROM installation WHERE name = 'queue_stopped:' || lane.column1) \
             OR EXISTS (SELECT 1 FROM queue_pauses AS p WHERE p.queue = lane.column1) AS paused \
             FROM (VALUES ('generation'), ('workflow'), ('quality'), ('extraction'), ('sync'), \
             ('export'), ('maintenance')) AS lane";
    WITH_MAIL = "SELECT r.tenant_id, r.id FROM runs r WHERE r.status = 'running' \
                 AND (r.cancel_requested OR EXISTS (SELECT 1 FROM run_signals s \
                 WHERE s.tenant_id = r.tenant_id AND s.run_id = r.id))";
    CLAIMS = "SELECT tenant_id, id, claims FROM runs WHERE status = 'running'";
    RELEASE = "UPDATE runs SET status = 'queued' WHERE status = 'running'";
    ORPHANS = "UPDATE runs SET status = 'queued', crashes = crashes + 1, \
               due_at = CASE WHEN crashes < 2 THEN due_at ELSE $1 + 500 * crashes * crashes END \
               WHERE status = 'running'";
    CANCEL_REQUESTED = "SELECT cancel_requested FROM runs WHERE tenant_id = $1 AND id = $2";
}

/// What came in for a run: the wish to stop it, and signals.
#[derive(Clone, Debug, Default)]
pub struct Mail {
    /// Whether someone asked to stop the run.
    pub cancel: bool,
    /// Signals it has not read, oldest first.
    pub signals: Vec<PendingSignal>,
}

/// A queue that runs wait in, as the engine finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// Its name.
    pub queue: String,
    /// When its next resting or queued run is due, whosever it is.
    pub due: Option<Timestamp>,
    /// Whether it is paused, for some tenant or for all.
    pub is_paused: bool,
}

#[derive(FromRow)]
struct LaneRow {
    queue: String,
    waiting: Option<i64>,
    queued: Option<i64>,
    paused: bool,
}

#[derive(FromRow)]
struct Row {
    tenant_id: String,
    id: String,
}

impl Conn {
    /// All queues that runs wait in, in one look.
    ///
    /// # Errors
    /// What the database says.
    pub async fn lanes(&mut self) -> StoreResult<Vec<Lane>> {
        let rows: Vec<LaneRow> = on!(self, c => sqlx::query_as(LANES).fetch_all(c).await?);
        let lane = |row: LaneRow| Lane {
            queue: row.queue,
            due: [row.waiting, row.queued].into_iter().flatten().min().map(Timestamp),
            is_paused: row.paused,
        };
        Ok(rows.into_iter().map(lane).collect())
    }

    /// When the next resting or queued run of a queue is due.
    ///
    /// # Errors
    /// What the database says.
    pub async fn next_run_due(&mut self, queue: &str) -> StoreResult<Option<Timestamp>> {
        let (due,): (Option<i64>,) =
            on!(self, c => sqlx::query_as(NEXT_DUE).bind(queue).fetch_one(c).await?);
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
        Ok(on!(self, c => sqlx::query(ORPHANS).bind(now).execute(c).await?.rows_affected()))
    }
}
