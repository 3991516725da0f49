//! The processes of an installation, as each last told of itself.

use connectus_core::{Timestamp, WorkerId};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use crate::{
    conn::{Conn, Tx},
    error::StoreResult,
    sql::{on, sql},
};

sql! {
    PUT = "INSERT INTO workers (id, host, pid, version, roles, state, slots, started_at, seen_at) \
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO UPDATE SET \
           state = excluded.state, slots = excluded.slots, seen_at = excluded.seen_at";
    REMOVE = "DELETE FROM workers WHERE id = $1";
    FORGET = "DELETE FROM workers WHERE seen_at < $1";
    LIST = "SELECT id, host, pid, version, roles, state, slots, started_at, seen_at FROM workers \
            ORDER BY started_at, id LIMIT 1000";
}

/// A process, as it last told of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Worker {
    /// Identifier; a new one at each start.
    pub id: WorkerId,
    /// The machine it runs on.
    pub host: String,
    /// Its process number there.
    pub pid: u32,
    /// The version of the program.
    pub version: String,
    /// What it does: `api`, `worker`, `scheduler`.
    pub roles: Vec<String>,
    /// `working`, `standby` while another process works, or `serving` when it is no worker.
    pub state: String,
    /// Its places, by queue.
    pub slots: Vec<Slots>,
    /// When it started.
    pub started_at: Timestamp,
    /// When it last told of itself.
    pub seen_at: Timestamp,
}

/// The places of a worker in one queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slots {
    /// Which queue.
    pub queue: String,
    /// Runs it works on, of all tenants.
    pub busy: usize,
    /// Runs it would work on at once.
    pub concurrency: usize,
}

#[derive(FromRow)]
struct Row {
    id: String,
    host: String,
    pid: i64,
    version: String,
    roles: String,
    state: String,
    slots: String,
    started_at: i64,
    seen_at: i64,
}

impl Row {
    fn worker(self) -> StoreResult<Worker> {
        Ok(Worker {
            id: WorkerId::trusted(self.id),
            host: self.host,
            pid: u32::try_from(self.pid).unwrap_or_default(),
            version: self.version,
            roles: self.roles.split(',').map(str::to_owned).collect(),
            state: self.state,
            slots: serde_json::from_str(&self.slots)?,
            started_at: Timestamp(self.started_at),
            seen_at: Timestamp(self.seen_at),
        })
    }
}

impl Conn {
    /// The processes that told of themselves and have not ended in good order.
    ///
    /// # Errors
    /// What the database says.
    pub async fn workers(&mut self) -> StoreResult<Vec<Worker>> {
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(LIST).fetch_all(c).await?);
        rows.into_iter().map(Row::worker).collect()
    }
}

impl Tx {
    /// Tells of a process, and forgets those that have not told of themselves since a time.
    ///
    /// # Errors
    /// What the database says.
    pub async fn put_worker(&mut self, worker: &Worker, forget: Timestamp) -> StoreResult<()> {
        let slots = serde_json::to_string(&worker.slots)?;
        on!(self, c => sqlx::query(PUT)
            .bind(worker.id.as_str())
            .bind(&worker.host)
            .bind(i64::from(worker.pid))
            .bind(&worker.version)
            .bind(worker.roles.join(","))
            .bind(&worker.state)
            .bind(&slots)
            .bind(worker.started_at.0)
            .bind(worker.seen_at.0)
            .execute(c).await.map(drop)?);
        on!(self, c => sqlx::query(FORGET).bind(forget.0).execute(c).await.map(drop)?);
        Ok(())
    }

    /// Takes back what a process told of itself.
    ///
    /// # Errors
    /// What the database says.
    pub async fn remove_worker(&mut self, id: &WorkerId) -> StoreResult<()> {
        on!(self, c => sqlx::query(REMOVE).bind(id.as_str()).execute(c).await.map(drop)?);
        Ok(())
    }
}
