//! The engine's hold on runs. A run is claimed before it is worked on; every write of the engine
//! names its claim and does nothing once another engine has claimed the run.

use connectus_core::{RunId, TenantId, Timestamp, run::Run};
use serde_json::Value;
use sqlx::FromRow;

use super::{Row, columns};
use crate::{
    conn::Tx,
    error::StoreResult,
    sql::{on, sql},
};

// Two conditions are written so that no database takes them for a way to find rows. The outer one
// is for a claim that lost a race: the rows come from the inner query. The time of a queued run
// has nearly always come: the order decides, and an index that begins with it.
macro_rules! claim {
    ($status:literal, $due:literal, $order:literal, $whose:expr) => {
        concat!(
            "UPDATE runs SET status = 'running', claims = claims + 1 \
             WHERE COALESCE(status, '') = '",
            $status,
            "' AND (tenant_id, id) IN (\
             SELECT tenant_id, id FROM runs \
             WHERE status = '",
            $status,
            "' AND queue = $1 AND ",
            $due,
            " <= $2",
            $whose,
            " ORDER BY ",
            $order,
            " LIMIT $3) RETURNING claims, ",
            columns!()
        )
    };
}

macro_rules! unpaused {
    () => {
        " AND (cancel_requested OR (\
         tenant_id NOT IN (SELECT tenant_id FROM queue_pauses WHERE queue = $1) \
         AND NOT EXISTS (SELECT 1 FROM installation \
         WHERE name = 'queue_stopped:' || CAST($1 AS TEXT))))"
    };
}

macro_rules! held {
    () => {
        " WHERE tenant_id = $1 AND id = $2 AND claims = $3 AND status = 'running'"
    };
}

sql! {
    CLAIM_RESTED = claim!("waiting", "due_at", "due_at", "");
    CLAIM_QUEUED = claim!("queued", "COALESCE(due_at, 0)", "priority DESC, due_at", "");
    CLAIM_UNPAUSED_RESTED = claim!("waiting", "due_at", "due_at", unpaused!());
    CLAIM_UNPAUSED_QUEUED =
        claim!("queued", "COALESCE(due_at, 0)", "priority DESC, due_at", unpaused!());
    REST = concat!("UPDATE runs SET status = 'waiting', due_at = $4, attempts = $5", held!());
    PUT_BACK = concat!("UPDATE runs SET status = 'queued'", held!());
}

/// The right to work on a run, until the run is claimed anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunClaim {
    /// Whose run it is.
    pub tenant: TenantId,
    /// Which run.
    pub run: RunId,
    /// The how-many-eth claim of this run it is.
    pub number: i64,
}

/// A run that was just claimed.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The run, as it stands now.
    pub run: Run,
    /// The right to work on it.
    pub claim: RunClaim,
}

#[derive(FromRow)]
struct ClaimedRow {
    claims: i64,
    #[sqlx(flatten)]
    row: Row,
}

impl ClaimedRow {
    fn claimed(self) -> StoreResult<Claimed> {
        let run = self.row.run()?;
        let claim =
            RunClaim { tenant: run.tenant.clone(), run: run.id.clone(), number: self.claims };
        Ok(Claimed { run, claim })
    }
}

/// What a run's row learns while the run is worked on.
#[derive(Clone, Debug, Default)]
pub struct RunNote {
    /// How far the run is now, if that changed.
    pub progress: Option<Value>,
    /// Whether the run got further, so that crashes count anew.
    pub advanced: bool,
}

impl Tx {
    /// Claims runs of a queue that are due, `limit` at most: begun ones first, then queued ones by
    /// priority and age. Where the queue is paused for some or all tenants, their runs are left,
    /// except those that are to stop.
    ///
    /// # Errors
    /// What the database says.
    pub async fn claim_runs(
        &mut self,
        queue: &str,
        now: Timestamp,
        limit: usize,
        is_paused: bool,
    ) -> StoreResult<Vec<Claimed>> {
        let mut claimed = Vec::new();
        let statements = match is_paused {
            false => [CLAIM_RESTED, CLAIM_QUEUED],
            true => [CLAIM_UNPAUSED_RESTED, CLAIM_UNPAUSED_QUEUED],
        };
        for statement in statements {
            let free = i64::try_from(limit.saturating_sub(claimed.len())).unwrap_or(i64::MAX);
            if free == 0 {
                break;
            }
            let rows: Vec<ClaimedRow> = on!(self, c => sqlx::query_as(statement)
                .bind(queue).bind(now.0).bind(free).fetch_all(c).await?);
            for row in rows {
                claimed.push(row.claimed()?);
            }
        }
        Ok(claimed)
    }

    /// Puts a claimed run to rest until `due_at`, noting how many attempts in a row have failed.
    /// A run that is due in the far future rests until a signal. False when the claim is void.
    ///
    /// # Errors
    /// What the database says.
    pub async fn rest_run(
        &mut self,
        claim: &RunClaim,
        due_at: Timestamp,
        attempts: u32,
    ) -> StoreResult<bool> {
        let touched = on!(self, c => sqlx::query(REST)
            .bind(claim.tenant.as_str())
            .bind(claim.run.as_str())
            .bind(claim.number)
            .bind(due_at.0)
            .bind(i64::from(attempts))
            .execute(c)
            .await?
            .rows_affected());
        Ok(touched == 1)
    }

    /// Queues a claimed run again, if it is still held by this claim.
    ///
    /// # Errors
    /// What the database says.
    pub async fn put_back(&mut self, claim: &RunClaim) -> StoreResult<()> {
        on!(self, c => sqlx::query(PUT_BACK)
            .bind(claim.tenant.as_str()).bind(claim.run.as_str()).bind(claim.number)
            .execute(c).await.map(drop)?);
        Ok(())
    }
}
