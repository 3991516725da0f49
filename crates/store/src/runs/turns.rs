//! What an engine writes to the rows of the runs it works on, for many runs in one statement each.

use connectus_core::{
    RunId, TenantId, Timestamp,
    run::{Failure, RunStatus},
};
use serde_json::Value;

use super::{RunClaim, RunNote};
use crate::{
    blobs::Part,
    conn::Tx,
    error::StoreResult,
    rows::{Cell, json},
    sql::rows,
};

/// Something of a run, in a statement about many runs.
#[derive(Clone, Copy, Debug)]
pub struct OfRun<'r, T> {
    /// Whose run it is.
    pub tenant: &'r TenantId,
    /// Which run.
    pub run: &'r RunId,
    /// What it is about.
    pub what: T,
}

/// A run put to rest.
#[derive(Clone, Debug)]
pub struct Rest {
    /// When it is due again; in the far future it rests until a signal.
    pub due: Timestamp,
    /// Whether it knows that it is to stop, so that the wish does not keep it awake.
    pub cancelled: bool,
}

/// The end of a run.
#[derive(Clone, Debug)]
pub struct Ending<'e> {
    /// How it ended.
    pub status: RunStatus,
    /// What it made.
    pub output: Option<&'e Value>,
    /// Why it ended badly.
    pub error: Option<Failure>,
    /// How far it got, if that changed.
    pub progress: Option<&'e Value>,
}

// The comparison of the status is written so that no database takes it for a way to find rows.
macro_rules! held {
    () => {
        ") AS v WHERE tenant_id = v.column1 AND id = v.column2 AND claims = v.column3 \
         AND COALESCE(status, '') = 'running'"
    };
}

rows! {
    HOLD = "UPDATE runs SET started_at = COALESCE(started_at, v.column4), \
            progress = COALESCE(v.column5, progress), \
            crashes = CASE WHEN v.column6 THEN 0 ELSE crashes END FROM (", "ttiitb",
           concat!(held!(), " RETURNING id");
    REST = "UPDATE runs SET status = 'waiting', due_at = v.column4, attempts = 0 FROM (", "ttiib",
           concat!(held!(), " AND (v.column5 OR NOT cancel_requested) AND NOT EXISTS (\
                    SELECT 1 FROM run_signals s \
                    WHERE s.tenant_id = v.column1 AND s.run_id = v.column2) RETURNING id");
    FINISH = "UPDATE runs SET status = v.column4, output = v.column5, error = v.column6, \
              finished_at = v.column7, started_at = COALESCE(started_at, v.column7), \
              progress = COALESCE(v.column8, progress) FROM (",
             "ttitttit", concat!(held!(), " RETURNING id, tenant_id, concurrency_key");
}

/// The cells that name a claim.
fn claimed(claim: &RunClaim) -> [Cell<'_>; 3] {
    [Cell::Text(claim.tenant.as_str()), Cell::Text(claim.run.as_str()), Cell::Int(claim.number)]
}

impl Tx {
    /// Writes down how claimed runs are doing. On PostgreSQL this locks their rows, so that what is
    /// sent to a run meanwhile is either visible to the statements that follow, or finds the run
    /// as this transaction leaves it. Returns the runs whose claims hold.
    ///
    /// # Errors
    /// What the database says.
    pub async fn hold_runs(&mut self, runs: &[(&RunClaim, &RunNote)]) -> StoreResult<Vec<RunId>> {
        let now = self.env.now().0;
        let cells: Vec<Cell<'_>> = runs
            .iter()
            .flat_map(|(claim, note)| {
                let progress = note.progress.as_ref().map(json);
                let [tenant, run, number] = claimed(claim);
                let (begun, advanced) = (Cell::Int(now), Cell::Flag(note.advanced));
                [tenant, run, number, begun, Cell::MaybeText(progress), advanced]
            })
            .collect();
        self.touched(&HOLD, &cells).await
    }

    /// Puts claimed runs to rest, but for those that something came in for: a signal, or the wish
    /// to stop. Returns the runs that rest now.
    ///
    /// # Errors
    /// What the database says.
    pub async fn rest_runs(&mut self, runs: &[(&RunClaim, &Rest)]) -> StoreResult<Vec<RunId>> {
        let cells: Vec<Cell<'_>> = runs
            .iter()
            .flat_map(|(claim, rest)| {
                let [tenant, run, number] = claimed(claim);
                [tenant, run, number, Cell::Int(rest.due.0), Cell::Flag(rest.cancelled)]
            })
            .collect();
        self.told.due_at(runs.iter().map(|(_, rest)| rest.due).min());
        self.touched(&REST, &cells).await
    }

    /// Ends claimed runs. Returns those whose claims held.
    ///
    /// # Errors
    /// What the database says.
    pub async fn finish_runs(
        &mut self,
        runs: &[(&RunClaim, Ending<'_>)],
    ) -> StoreResult<Vec<RunId>> {
        let (now, mut cells) = (self.env.now().0, Vec::with_capacity(runs.len() * 8));
        for (claim, Ending { status, output, error, progress }) in runs {
            cells.extend(claimed(claim));
            cells.extend([
                Cell::Text(status.name()),
                output.map_or(Cell::MaybeText(None), |output| Cell::Payload(json(output))),
                Cell::MaybeText(error.as_ref().map(serde_json::to_string).transpose()?),
                Cell::Int(now),
                Cell::MaybeText(progress.map(json)),
            ]);
        }
        self.park(&mut cells, 8, Part::Run).await?;
        let ended: Vec<(String, String, Option<String>)> =
            self.rows_returned(&FINISH, &cells).await?;
        let keyed: Vec<_> = ended
            .iter()
            .filter_map(|(_, tenant, key)| Some((tenant.clone(), key.clone()?)))
            .collect();
        if !keyed.is_empty() {
            self.let_pass(&keyed).await?;
        }
        Ok(ended.into_iter().map(|(id, ..)| RunId::trusted(id)).collect())
    }

    async fn touched(
        &mut self,
        statement: &'static crate::rows::Rows,
        cells: &[Cell<'_>],
    ) -> StoreResult<Vec<RunId>> {
        let runs: Vec<(String,)> = self.rows_returned(statement, cells).await?;
        Ok(runs.into_iter().map(|(id,)| RunId::trusted(id)).collect())
    }
}
