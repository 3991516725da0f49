//! What the engine asks across tenants: which runs are ready, and when the next one will be.

use connectus_core::{RunId, TenantId, Timestamp};
use sqlx::FromRow;

use crate::{
    conn::{Conn, Tx},
    error::StoreResult,
    sql::{on, sql},
};

sql! {
    READY = "SELECT tenant_id, id FROM runs \
             WHERE status = $1 AND queue = $2 AND due_at <= $3 \
             ORDER BY priority DESC, due_at LIMIT $4";
    NEXT_DUE = "SELECT MIN(due_at) FROM runs WHERE status IN ('queued', 'waiting')";
    ORPHANS = "UPDATE runs SET status = 'queued', crashes = crashes + 1 WHERE status = 'running'";
}

/// A run that can be worked on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReadyRun {
    /// Whose it is.
    pub tenant: TenantId,
    /// Which.
    pub id: RunId,
}

#[derive(FromRow)]
struct Row {
    tenant_id: String,
    id: String,
}

impl Conn {
    /// Runs of a queue that are due, queued ones and rested ones, `limit` of each at most.
    ///
    /// # Errors
    /// What the database says.
    pub async fn ready_runs(
        &mut self,
        queue: &str,
        now: Timestamp,
        limit: usize,
    ) -> StoreResult<Vec<ReadyRun>> {
        let mut ready = Vec::new();
        for status in ["waiting", "queued"] {
            let rows: Vec<Row> = on!(self, c => sqlx::query_as(READY)
                .bind(status)
                .bind(queue)
                .bind(now.0)
                .bind(i64::try_from(limit).unwrap_or(i64::MAX))
                .fetch_all(c)
                .await?);
            ready.extend(rows.into_iter().map(|row| ReadyRun {
                tenant: TenantId::trusted(row.tenant_id),
                id: RunId::trusted(row.id),
            }));
        }
        Ok(ready)
    }

    /// When the next resting or queued run is due.
    ///
    /// # Errors
    /// What the database says.
    pub async fn next_run_due(&mut self) -> StoreResult<Option<Timestamp>> {
        let (due,): (Option<i64>,) =
            on!(self, c => sqlx::query_as(NEXT_DUE).fetch_one(c).await?);
        Ok(due.map(Timestamp))
    }
}

impl Tx {
    /// Queues again what a process that died was working on. Returns how many runs that were.
    ///
    /// # Errors
    /// What the database says.
    pub async fn requeue_orphans(&mut self) -> StoreResult<u64> {
        Ok(on!(self, c => sqlx::query(ORPHANS).execute(c).await?.rows_affected()))
    }
}
