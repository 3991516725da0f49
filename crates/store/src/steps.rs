//! Steps of a run: the view people read, and the attempts the engine resumes from.

use connectus_core::{Payload, RunId, TenantCtx, Timestamp, run::Failure};
use serde::Serialize;
use serde_json::Value;
use sqlx::FromRow;

use crate::{
    blobs::Part,
    conn::{Conn, Tx},
    error::StoreResult,
    rows::{Cell, json},
    runs::OfRun,
    sql::{on, rows, sql},
};

sql! {
    OF_RUN = "SELECT step_id, position, name, action, status, attempts, input, output, error, \
              compensation, reused, next_attempt_at, started_at, finished_at FROM run_steps \
              WHERE tenant_id = $1 AND run_id = $2 ORDER BY position";
    FORGET = "DELETE FROM run_steps WHERE tenant_id = $1 AND run_id = $2";
    STOP = "UPDATE run_steps SET status = 'failed', next_attempt_at = NULL, finished_at = $3 \
            WHERE tenant_id = $1 AND run_id = $2 AND status IN ('running', 'retrying')";
    FORGET_ATTEMPTS = "DELETE FROM step_attempts WHERE tenant_id = $1 AND run_id = $2";
    // A step that was done at the first attempt says all there is to say about that attempt.
    ATTEMPTS = "SELECT step_id, attempt, error, started_at, finished_at FROM step_attempts \
                WHERE tenant_id = $1 AND run_id = $2 \
                UNION ALL \
                SELECT step_id, attempts, NULL, started_at, finished_at FROM run_steps \
                WHERE tenant_id = $1 AND run_id = $2 AND status = 'completed' AND attempts = 1 \
                ORDER BY 4, 1, 2";
}

rows! {
    BEGIN = "INSERT INTO run_steps (tenant_id, run_id, step_id, position, name, action, attempts, \
             input, compensation, started_at, status) ", "tttittitbit",
            " ON CONFLICT (tenant_id, run_id, step_id) DO UPDATE SET \
             status = 'running', attempts = excluded.attempts, next_attempt_at = NULL, \
             finished_at = NULL";
    PUT = "INSERT INTO run_steps (tenant_id, run_id, step_id, position, name, action, attempts, \
           input, compensation, started_at, status, output, error, next_attempt_at, finished_at) ",
          "tttittitbitttii",
          " ON CONFLICT (tenant_id, run_id, step_id) DO UPDATE SET \
           status = excluded.status, attempts = excluded.attempts, output = excluded.output, \
           error = excluded.error, next_attempt_at = excluded.next_attempt_at, \
           finished_at = excluded.finished_at";
    END = "UPDATE run_steps SET status = v.column4, output = v.column5, error = v.column6, \
           next_attempt_at = v.column7, finished_at = v.column8 FROM (", "ttttttii", ") AS v \
           WHERE tenant_id = v.column1 AND run_id = v.column2 AND step_id = v.column3";
    ATTEMPT = "INSERT INTO step_attempts (tenant_id, run_id, step_id, attempt, error, started_at, \
               finished_at) ", "tttitii",
              " ON CONFLICT (tenant_id, run_id, step_id, attempt) DO NOTHING";
}

/// A step of a run.
#[derive(Clone, Debug, Serialize)]
pub struct StepRow {
    /// The step's path within the run.
    pub step_id: String,
    /// Its place in the order of beginning.
    pub position: i64,
    /// What its author called it.
    pub name: String,
    /// The action it executes.
    pub action: String,
    /// `running`, `retrying`, `completed` or `failed`.
    pub status: String,
    /// Attempts begun so far.
    pub attempts: u32,
    /// What it was given.
    pub input: Payload,
    /// What it made.
    pub output: Option<Payload>,
    /// Why it failed, last.
    pub error: Option<Failure>,
    /// Whether it undoes another step.
    pub compensation: bool,
    /// Whether it was not carried out by this run but taken over from the one it repeats.
    pub reused: bool,
    /// When the next attempt is due.
    pub next_attempt_at: Option<Timestamp>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// One attempt of a step.
#[derive(Clone, Debug, Serialize)]
pub struct AttemptRow {
    /// The step.
    pub step_id: String,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// Why it failed, if it did.
    pub error: Option<Failure>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
}

/// A step that begins an attempt.
#[derive(Clone, Debug)]
pub struct StepBegin {
    /// The step's path within the run.
    pub step_id: String,
    /// Its place in the order of beginning.
    pub position: i64,
    /// What its author called it.
    pub name: String,
    /// The action it executes.
    pub action: String,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// What it is given.
    pub input: Value,
    /// Whether it undoes another step.
    pub compensation: bool,
}

/// How an attempt of a step ended.
#[derive(Clone, Debug)]
pub struct StepEnd {
    /// The step's path within the run.
    pub step_id: String,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// When the attempt began.
    pub started_at: Timestamp,
    /// What it made or why it failed.
    pub outcome: Result<Value, Failure>,
    /// When the next attempt is due; `None` when this was the last.
    pub next_attempt_at: Option<Timestamp>,
}

impl StepEnd {
    /// Status, output and error as they are stored.
    fn told(&self) -> StoreResult<(&'static str, Option<String>, Option<String>)> {
        Ok(match (&self.outcome, self.next_attempt_at) {
            (Ok(output), _) => ("completed", Some(json(output)), None),
            (Err(error), Some(_)) => ("retrying", None, Some(serde_json::to_string(error)?)),
            (Err(error), None) => ("failed", None, Some(serde_json::to_string(error)?)),
        })
    }
}

/// The cells that name a step.
fn named<'v, T>(of: &OfRun<'v, T>, step: &'v str) -> [Cell<'v>; 3] {
    [Cell::Text(of.tenant.as_str()), Cell::Text(of.run.as_str()), Cell::Text(step)]
}

/// The cells of a step that begins an attempt, up to when it began.
fn begun<'v, T>(of: &OfRun<'v, T>, step: &'v StepBegin, at: Timestamp) -> [Cell<'v>; 10] {
    let [tenant, run, id] = named(of, &step.step_id);
    [
        tenant,
        run,
        id,
        Cell::Int(step.position),
        Cell::Text(&step.name),
        Cell::Text(&step.action),
        Cell::Int(i64::from(step.attempt)),
        Cell::Payload(json(&step.input)),
        Cell::Flag(step.compensation),
        Cell::Int(at.0),
    ]
}

/// The cells of how an attempt ended, from the status on.
fn ended<'v>(end: &StepEnd, now: i64) -> StoreResult<[Cell<'v>; 5]> {
    let (status, output, error) = end.told()?;
    Ok([
        Cell::Text(status),
        output.map_or(Cell::MaybeText(None), Cell::Payload),
        Cell::MaybeText(error),
        Cell::MaybeInt(end.next_attempt_at.map(|at| at.0)),
        Cell::MaybeInt(end.next_attempt_at.is_none().then_some(now)),
    ])
}

/// The cells of an attempt that is kept for itself: none for a step done at the first one.
fn attempt<'v, T>(of: &OfRun<'v, T>, end: &'v StepEnd, now: i64) -> StoreResult<Vec<Cell<'v>>> {
    let error = end.outcome.as_ref().err().map(serde_json::to_string).transpose()?;
    if end.attempt == 1 && error.is_none() {
        return Ok(Vec::new());
    }
    let mut cells = named(of, &end.step_id).to_vec();
    cells.extend([
        Cell::Int(i64::from(end.attempt)),
        Cell::MaybeText(error),
        Cell::Int(end.started_at.0),
        Cell::Int(now),
    ]);
    Ok(cells)
}

#[derive(FromRow)]
struct Row {
    step_id: String,
    position: i64,
    name: String,
    action: String,
    status: String,
    attempts: i64,
    input: String,
    output: Option<String>,
    error: Option<String>,
    compensation: bool,
    reused: bool,
    next_attempt_at: Option<i64>,
    started_at: i64,
    finished_at: Option<i64>,
}

fn parsed<T: serde::de::DeserializeOwned>(text: Option<String>) -> StoreResult<Option<T>> {
    Ok(text.map(|text| serde_json::from_str(&text)).transpose()?)
}

impl Row {
    fn step(self) -> StoreResult<StepRow> {
        Ok(StepRow {
            step_id: self.step_id,
            position: self.position,
            name: self.name,
            action: self.action,
            status: self.status,
            attempts: u32::try_from(self.attempts).unwrap_or_default(),
            input: Payload::read(&self.input)?,
            output: self.output.as_deref().map(Payload::read).transpose()?,
            error: parsed(self.error)?,
            compensation: self.compensation,
            reused: self.reused,
            next_attempt_at: self.next_attempt_at.map(Timestamp),
            started_at: Timestamp(self.started_at),
            finished_at: self.finished_at.map(Timestamp),
        })
    }
}

#[derive(FromRow)]
struct AttemptRecord {
    step_id: String,
    attempt: i64,
    error: Option<String>,
    started_at: i64,
    finished_at: i64,
}

impl Tx {
    /// Records the intent of attempts, before anything leaves. A step comes up once.
    ///
    /// # Errors
    /// What the database says.
    pub async fn begin_steps(&mut self, steps: &[OfRun<'_, &StepBegin>]) -> StoreResult<()> {
        let (now, mut cells) = (self.env.now(), Vec::with_capacity(steps.len() * 11));
        for step in steps {
            cells.extend(begun(step, step.what, now));
            cells.push(Cell::Text("running"));
        }
        self.park(&mut cells, 11, Part::Generation).await?;
        self.with_rows(&BEGIN, &cells).await
    }

    /// Records attempts that have ended and whose intent is not recorded. A step comes up once.
    ///
    /// # Errors
    /// What the database says.
    pub async fn put_steps(
        &mut self,
        steps: &[OfRun<'_, (&StepBegin, &StepEnd)>],
    ) -> StoreResult<()> {
        let (now, mut cells) = (self.env.now().0, Vec::with_capacity(steps.len() * 15));
        let mut attempts = Vec::new();
        for step in steps {
            let (begin, end) = step.what;
            cells.extend(begun(step, begin, end.started_at));
            cells.extend(ended(end, now)?);
            attempts.extend(attempt(step, end, now)?);
        }
        self.park(&mut cells, 15, Part::Generation).await?;
        self.with_rows(&PUT, &cells).await?;
        self.with_rows(&ATTEMPT, &attempts).await
    }

    /// Records how attempts ended. A step comes up once.
    ///
    /// # Errors
    /// What the database says.
    pub async fn end_steps(&mut self, ends: &[OfRun<'_, &StepEnd>]) -> StoreResult<()> {
        let (now, mut steps) = (self.env.now().0, Vec::with_capacity(ends.len() * 8));
        let mut attempts = Vec::new();
        for end in ends {
            steps.extend(named(end, &end.what.step_id));
            steps.extend(ended(end.what, now)?);
            attempts.extend(attempt(end, end.what, now)?);
        }
        self.park(&mut steps, 8, Part::Generation).await?;
        self.with_rows(&END, &steps).await?;
        self.with_rows(&ATTEMPT, &attempts).await
    }

    /// Marks the open steps of a run that is given up.
    ///
    /// # Errors
    /// What the database says.
    pub async fn stop_steps(&mut self, ctx: &TenantCtx, run: &RunId) -> StoreResult<()> {
        let now = self.env.now().0;
        on!(self, c => sqlx::query(STOP)
            .bind(ctx.tenant().as_str()).bind(run.as_str()).bind(now)
            .execute(c).await.map(drop)?);
        Ok(())
    }

    /// Forgets the steps of a run that starts over: their ids come again.
    pub(crate) async fn forget_steps(&mut self, ctx: &TenantCtx, run: &RunId) -> StoreResult<()> {
        for statement in [FORGET, FORGET_ATTEMPTS] {
            on!(self, c => sqlx::query(statement)
                .bind(ctx.tenant().as_str()).bind(run.as_str()).execute(c).await.map(drop)?);
        }
        Ok(())
    }
}

impl Conn {
    /// The steps of a run, in the order they began.
    ///
    /// # Errors
    /// What the database says.
    pub async fn steps(&mut self, ctx: &TenantCtx, run: &RunId) -> StoreResult<Vec<StepRow>> {
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(OF_RUN)
            .bind(ctx.tenant().as_str()).bind(run.as_str()).fetch_all(c).await?);
        rows.into_iter().map(Row::step).collect()
    }

    /// Every ended attempt of every step of a run, oldest first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn step_attempts(
        &mut self,
        ctx: &TenantCtx,
        run: &RunId,
    ) -> StoreResult<Vec<AttemptRow>> {
        let rows: Vec<AttemptRecord> = on!(self, c => sqlx::query_as(ATTEMPTS)
            .bind(ctx.tenant().as_str()).bind(run.as_str()).fetch_all(c).await?);
        rows.into_iter()
            .map(|row| {
                Ok(AttemptRow {
                    step_id: row.step_id,
                    attempt: u32::try_from(row.attempt).unwrap_or_default(),
                    error: parsed(row.error)?,
                    started_at: Timestamp(row.started_at),
                    finished_at: Timestamp(row.finished_at),
                })
            })
            .collect()
    }
}
