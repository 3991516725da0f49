//! The engine's hold on runs. A run is claimed before it is worked on; every write of the engine
//! names its claim and does nothing once another engine has claimed the run.

use connectus_core::{
    RunId, TenantCtx, TenantId, Timestamp,
    run::{Failure, Run},
};
use serde_json::Value;
use sqlx::FromRow;

use super::{
    ReadyRun, Row, Standing, columns,
    ready::{standing, unpaused},
};
use crate::{
    conn::Tx,
    error::StoreResult,
    rows::Cell,
    sql::{on, rows, sql},
};

// Whether so many runs with this one's key have begun as may at once, this one not among them.
macro_rules! full {
    () => {
        "(claims = 0 AND (SELECT COUNT(*) FROM runs AS other \
         WHERE other.tenant_id = runs.tenant_id \
         AND other.concurrency_key = runs.concurrency_key AND other.finished_at IS NULL \
         AND other.claims > 0) >= concurrency_limit)"
    };
}

macro_rules! held {
    () => {
        " WHERE tenant_id = $1 AND id = $2 AND claims = $3 AND status = 'running'"
    };
}

sql! {
    REST = concat!("UPDATE runs SET status = 'waiting', due_at = $4, attempts = $5", held!());
    // What is set apart stays under its claim, whose writes are void from now on.
    QUARANTINE = concat!("UPDATE runs SET status = 'quarantined', error = $4", held!());
    LET_GO = concat!("UPDATE runs SET status = 'queued', error = NULL, crashes = 0, \
              attempts = 0, held = FALSE, due_at = $3 \
              WHERE tenant_id = $1 AND id = $2 AND status = 'quarantined' RETURNING ",
              standing!());
    PUT_BACK = concat!("UPDATE runs SET status = 'queued'", held!());
}

rows! {
    // The comparison of the status is written so that no database takes it for a way to find rows.
    CLAIM = "UPDATE runs SET status = 'running', claims = claims + 1 FROM (", "tt",
            concat!(") AS v WHERE tenant_id = v.column1 AND id = v.column2 \
                     AND COALESCE(status, '') = 'queued'", unpaused!(),
                    " AND (concurrency_key IS NULL OR cancel_requested OR NOT ", full!(), ") \
                     RETURNING claims, ", columns!());
    HOLD_BACK = "UPDATE runs SET held = TRUE FROM (", "tt",
                concat!(") AS v WHERE tenant_id = v.column1 AND id = v.column2 \
                         AND COALESCE(status, '') = 'queued' AND NOT cancel_requested AND ",
                        full!());
    // Of those that are held at a key, the first in line.
    LET_PASS = "UPDATE runs SET held = FALSE FROM (", "tt",
               concat!(") AS v WHERE tenant_id = v.column1 AND id = (\
                        SELECT r.id FROM runs r WHERE r.tenant_id = v.column1 \
                        AND r.concurrency_key = v.column2 AND r.finished_at IS NULL AND r.held \
                        ORDER BY r.due_at - r.priority * 10000000, r.id LIMIT 1) RETURNING ",
                       standing!());
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

/// The cells that name runs.
fn pairs(runs: &[(TenantId, RunId)]) -> Vec<Cell<'_>> {
    runs.iter().flat_map(|(tenant, run)| [tenant.as_str(), run.as_str()].map(Cell::Text)).collect()
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
    /// Claims runs that wait for their turn. One that another engine has taken, that has ended or
    /// whose queue is paused is not claimed. One that would be too many with its key is not either:
    /// it is held until another one with that key ends.
    ///
    /// # Errors
    /// What the database says.
    pub async fn claim_runs(&mut self, runs: &[ReadyRun]) -> StoreResult<Vec<Claimed>> {
        let named = |run: &&ReadyRun| (run.tenant.clone(), run.run.clone());
        let keyed: Vec<_> = runs.iter().filter(|run| run.is_keyed).map(|run| named(&run)).collect();
        let free: Vec<_> = runs.iter().filter(|run| !run.is_keyed).map(|run| named(&run)).collect();
        let mut rows: Vec<ClaimedRow> = self.rows_returned(&CLAIM, &pairs(&free)).await?;
        // Each sees those before it.
        for one in &keyed {
            let one = std::slice::from_ref(one);
            let claimed: Vec<ClaimedRow> = self.rows_returned(&CLAIM, &pairs(one)).await?;
            if claimed.is_empty() {
                self.with_rows(&HOLD_BACK, &pairs(one)).await?;
            }
            rows.extend(claimed);
        }
        rows.into_iter().map(ClaimedRow::claimed).collect()
    }

    /// Lets the next run of each of these tenants and keys pass, since one has ended.
    pub(super) async fn let_pass(&mut self, ended: &[(String, String)]) -> StoreResult<()> {
        let cells: Vec<Cell<'_>> =
            ended.iter().flat_map(|(tenant, key)| [Cell::Text(tenant), Cell::Text(key)]).collect();
        let passed: Vec<Standing> = self.rows_returned(&LET_PASS, &cells).await?;
        self.tell(passed);
        Ok(())
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
        self.told.due_at(Some(due_at));
        Ok(touched == 1)
    }

    /// Sets a claimed run apart, for a reason. False when the claim is void.
    ///
    /// # Errors
    /// What the database says.
    pub async fn quarantine_run(&mut self, claim: &RunClaim, why: &Failure) -> StoreResult<bool> {
        let why = serde_json::to_string(why)?;
        let touched = on!(self, c => sqlx::query(QUARANTINE)
            .bind(claim.tenant.as_str())
            .bind(claim.run.as_str())
            .bind(claim.number)
            .bind(why)
            .execute(c)
            .await?
            .rows_affected());
        Ok(touched == 1)
    }

    /// Lets a run go on that was set apart, with its crashes forgotten. False when it is not.
    ///
    /// # Errors
    /// What the database says.
    pub async fn let_run_go(&mut self, ctx: &TenantCtx, run: &RunId) -> StoreResult<bool> {
        let now = self.env.now().0;
        let touched: Vec<Standing> = on!(self, c => sqlx::query_as(LET_GO)
            .bind(ctx.tenant().as_str()).bind(run.as_str()).bind(now)
            .fetch_all(c).await?);
        let was_apart = !touched.is_empty();
        self.tell(touched);
        Ok(was_apart)
    }

    /// Queues a claimed run again, if it is still held by this claim.
    ///
    /// # Errors
    /// What the database says.
    pub async fn put_back(&mut self, claim: &RunClaim) -> StoreResult<()> {
        on!(self, c => sqlx::query(PUT_BACK)
            .bind(claim.tenant.as_str()).bind(claim.run.as_str()).bind(claim.number)
            .execute(c).await.map(drop)?);
        self.wake_engine();
        Ok(())
    }
}
