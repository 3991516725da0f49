//! Runs as they are accepted, many in one statement: in line for their turn, or further already
//! where the engine began on them before they were written down.

use std::collections::HashSet;

use connectus_core::{
    Payload, Result, RunId, TenantCtx,
    run::{Run, RunStatus},
};
use serde_json::Value;

use super::{NewRun, Row, columns};
use crate::{
    blobs::Part,
    conn::{Conn, Tx},
    error::StoreResult,
    rows::{Cell, json},
    sql::{on, rows, sql},
};

const TYPES: &str = "ttttitttittttttttttittiiiiii";

macro_rules! insert {
    () => {
        "INSERT INTO runs (tenant_id, id, kind, queue, priority, status, subject_id, \
         definition_hash, interp_version, dedupe_key, trigger, input, output, error, progress, \
         started_by, parent_run_id, parent_step_id, origin_run_id, origin_position, origin_step, \
         concurrency_key, concurrency_limit, claims, due_at, created_at, started_at, finished_at) "
    };
}

sql! {
    BY_DEDUPE_KEY = concat!(
        "SELECT ", columns!(), " FROM runs WHERE tenant_id = $1 AND dedupe_key = $2");
}

rows! {
    PUT = insert!(), TYPES, "";
    PUT_ONCE = insert!(), TYPES,
               " ON CONFLICT (tenant_id, dedupe_key) WHERE dedupe_key IS NOT NULL DO NOTHING \
                RETURNING id";
}

/// A run as it is written down when it is accepted.
#[derive(Clone, Copy, Debug)]
pub struct Accepted<'r> {
    /// The run, as far as it is.
    pub run: &'r Run,
    /// How often it was claimed: once where the engine has begun on it, or else not at all.
    pub claims: i64,
}

fn text(text: Option<&str>) -> Cell<'_> {
    text.map_or(Cell::MaybeText(None), Cell::Text)
}

fn payload<'c>(payload: &Payload) -> Cell<'c> {
    Cell::Payload(payload.stored())
}

impl Accepted<'_> {
    fn cells(&self) -> StoreResult<[Cell<'_>; TYPES.len()]> {
        let run = self.run;
        let maybe = |value: Option<&Value>| Cell::MaybeText(value.map(json));
        let error = run.error.as_ref().map(serde_json::to_string).transpose()?;
        let (parent, origin) = (run.parent.as_ref(), run.origin.as_ref());
        let position = origin.and_then(|origin| i64::try_from(origin.position?).ok());
        let turnstile = run.turnstile.as_ref();
        Ok([
            Cell::Text(run.tenant.as_str()),
            Cell::Text(run.id.as_str()),
            Cell::Text(run.kind.name()),
            Cell::Text(&run.queue),
            Cell::Int(run.priority),
            Cell::Text(run.status.name()),
            Cell::Text(&run.subject_id),
            Cell::Text(&run.definition_hash),
            Cell::Int(i64::from(run.interp_version)),
            text(run.dedupe_key.as_deref()),
            Cell::Text(&run.trigger),
            Cell::Payload(run.input.stored()),
            run.output.as_ref().map_or(Cell::MaybeText(None), payload),
            Cell::MaybeText(error),
            maybe(run.progress.as_ref()),
            Cell::Text(&run.started_by),
            text(parent.map(|(parent, _)| parent.as_str())),
            text(parent.map(|(_, step)| step.as_str())),
            text(origin.map(|origin| origin.run.as_str())),
            Cell::MaybeInt(position),
            text(origin.and_then(|origin| origin.step.as_deref())),
            text(turnstile.map(|turnstile| turnstile.key.as_str())),
            Cell::MaybeInt(turnstile.map(|turnstile| i64::from(turnstile.limit))),
            Cell::Int(self.claims),
            Cell::Int(run.due_at.0),
            Cell::Int(run.created_at.0),
            Cell::MaybeInt(run.started_at.map(|at| at.0)),
            Cell::MaybeInt(run.finished_at.map(|at| at.0)),
        ])
    }
}

impl Tx {
    /// Accepts a run and wakes the engine. With a dedupe key that is taken, the run that took it
    /// is returned and the flag is false.
    ///
    /// # Errors
    /// What the database says.
    pub async fn insert_run(&mut self, ctx: &TenantCtx, new: NewRun) -> Result<(Run, bool)> {
        let run = new.accept(ctx, &self.env);
        if self.put_runs(&[Accepted { run: &run, claims: 0 }]).await?.contains(&run.id) {
            return Ok((run, true));
        }
        let key = run.dedupe_key.as_deref().unwrap_or_default();
        Ok((self.run_by_dedupe_key(ctx, key).await?, false))
    }

    /// Accepts runs and tells the engine of those that wait. Returns which were accepted: not one
    /// whose dedupe key is taken.
    ///
    /// # Errors
    /// What the database says.
    pub async fn put_runs(&mut self, runs: &[Accepted<'_>]) -> StoreResult<HashSet<RunId>> {
        let (mut free, mut keyed) = (Vec::new(), Vec::new());
        let mut accepted = HashSet::with_capacity(runs.len());
        for one in runs {
            if one.run.dedupe_key.is_some() {
                keyed.extend(one.cells()?);
            } else {
                free.extend(one.cells()?);
                accepted.insert(one.run.id.clone());
            }
        }
        self.park(&mut free, TYPES.len(), Part::Run).await?;
        self.park(&mut keyed, TYPES.len(), Part::Run).await?;
        self.with_rows(&PUT, &free).await?;
        let new: Vec<(String,)> = self.rows_returned(&PUT_ONCE, &keyed).await?;
        accepted.extend(new.into_iter().map(|(id,)| RunId::trusted(id)));
        self.referring.keep_of(runs, &accepted);
        for Accepted { run, .. } in runs {
            let waits = matches!(run.status, RunStatus::Queued | RunStatus::Waiting);
            if waits && accepted.contains(&run.id) {
                self.told.accepted(run);
            }
        }
        Ok(accepted)
    }

    /// The run that took a dedupe key.
    ///
    /// # Errors
    /// What the database says; that there is none.
    pub async fn run_by_dedupe_key(&mut self, ctx: &TenantCtx, key: &str) -> StoreResult<Run> {
        let row: Row = on!(self, c => sqlx::query_as(BY_DEDUPE_KEY)
            .bind(ctx.tenant().as_str()).bind(key).fetch_one(c).await?);
        row.run()
    }
}

impl Conn {
    /// The run that took a dedupe key, where one did.
    ///
    /// # Errors
    /// What the database says.
    pub async fn run_of_key(&mut self, ctx: &TenantCtx, key: &str) -> StoreResult<Option<Run>> {
        let row: Option<Row> = on!(self, c => sqlx::query_as(BY_DEDUPE_KEY)
            .bind(ctx.tenant().as_str()).bind(key).fetch_optional(c).await?);
        row.map(Row::run).transpose()
    }
}
