//! Runs: durable executions of every kind.

use connectus_core::{
    Env, Payload, RunId, TenantCtx, TenantId, Timestamp,
    run::{Origin, Run, RunKind, RunStatus, Turnstile},
};
use serde_json::Value;
use sqlx::FromRow;

use crate::{
    conn::{Conn, Tx},
    error::StoreResult,
    sql::{on, sql},
};

mod accepted;
mod claims;
mod copies;
mod ready;
mod search;
mod turns;

pub use accepted::Accepted;
pub(crate) use accepted::{ROWS as ACCEPTED_ROWS, STATEMENTS as ACCEPTED_STATEMENTS};
pub use claims::{Claimed, RunClaim, RunNote};
pub(crate) use claims::{ROWS as CLAIM_ROWS, STATEMENTS as CLAIM_STATEMENTS};
pub(crate) use copies::{ROWS as COPY_ROWS, STATEMENTS as COPY_STATEMENTS};
pub use ready::{Mail, ReadyRun};
pub(crate) use ready::{STATEMENTS as READY_STATEMENTS, Standing, standing};
pub(crate) use search::STATEMENTS as SEARCH_STATEMENTS;
pub use search::{Cursor, Only, RunFilter, RunPage};
pub(crate) use turns::ROWS as TURN_ROWS;
pub use turns::{Ending, OfRun, Rest};

macro_rules! columns {
    () => {
        "tenant_id, id, kind, queue, priority, status, subject_id, definition_hash, \
         interp_version, dedupe_key, trigger, input, output, error, progress, started_by, \
         parent_run_id, parent_step_id, attempts, crashes, cancel_requested, due_at, created_at, \
         started_at, finished_at, origin_run_id, origin_position, origin_step, concurrency_key, \
         concurrency_limit"
    };
}
use columns;

sql! {
    GET = concat!("SELECT ", columns!(), " FROM runs WHERE tenant_id = $1 AND id = $2");
    CHILD = "SELECT id FROM runs WHERE tenant_id = $1 AND parent_run_id = $2 \
             AND parent_step_id = $3 ORDER BY created_at DESC, id DESC LIMIT 1";
    PARENT = "SELECT parent_run_id FROM runs WHERE tenant_id = $1 AND id = $2";
    OPEN_OF_SUBJECT = concat!(
        "SELECT ", columns!(), " FROM runs WHERE tenant_id = $1 AND subject_id = $2 \
         AND status IN ('queued', 'running', 'waiting', 'quarantined') \
         ORDER BY created_at LIMIT 1");
    PROGRESS = "UPDATE runs SET progress = $3, attempts = 0, crashes = 0 \
                WHERE tenant_id = $1 AND id = $2";
    CANCEL = concat!("UPDATE runs SET cancel_requested = TRUE, held = FALSE, due_at = $3, \
              error = NULL, status = CASE WHEN status IN ('waiting', 'quarantined') \
              THEN 'queued' ELSE status END WHERE tenant_id = $1 AND id = $2 \
              AND status IN ('queued', 'running', 'waiting', 'quarantined') \
              RETURNING ", standing!());
    CANCEL_CHILDREN = concat!("UPDATE runs SET cancel_requested = TRUE, held = FALSE, \
                       due_at = $3, error = NULL, \
                       status = CASE WHEN status IN ('waiting', 'quarantined') \
                       THEN 'queued' ELSE status END \
                       WHERE tenant_id = $1 AND parent_run_id = $2 \
                       AND status IN ('queued', 'running', 'waiting', 'quarantined') \
                       RETURNING ", standing!());
    FORGET = "DELETE FROM runs WHERE (tenant_id, id) IN (\
              SELECT tenant_id, id FROM runs WHERE finished_at < $1 LIMIT $2)";
}

/// A run to be accepted.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// What it executes.
    pub kind: RunKind,
    /// The queue it waits in; `None` is the usual one of its kind.
    pub queue: Option<String>,
    /// The workflow or data flow.
    pub subject_id: String,
    /// The pinned definition, by content; empty for kinds without one.
    pub definition_hash: String,
    /// The pinned interpreter version; 0 for kinds without one.
    pub interp_version: u32,
    /// A second start with the same key is the same run.
    pub dedupe_key: Option<String>,
    /// What starts it: `manual`, `schedule`, `webhook`, `retry`.
    pub trigger: String,
    /// What it is given.
    pub input: Payload,
    /// Order within its queue; higher goes first.
    pub priority: i64,
    /// Not before this time; `None` is now.
    pub due_at: Option<Timestamp>,
    /// The run and step that wait for this one to end.
    pub parent: Option<(RunId, String)>,
    /// The run it repeats, and from where on.
    pub origin: Option<Origin>,
    /// What it waits at until few enough of its kind are under way.
    pub turnstile: Option<Turnstile>,
}

impl NewRun {
    /// A run with the usual settings: now, no dedupe key, no definition.
    pub fn new(
        kind: RunKind,
        subject_id: impl Into<String>,
        trigger: &str,
        input: impl Into<Payload>,
    ) -> Self {
        Self {
            kind,
            queue: None,
            subject_id: subject_id.into(),
            definition_hash: String::new(),
            interp_version: 0,
            dedupe_key: None,
            trigger: trigger.to_owned(),
            input: input.into(),
            priority: 0,
            due_at: None,
            parent: None,
            origin: None,
            turnstile: None,
        }
    }

    /// The run it is once it is accepted: queued, or waiting for its time.
    pub fn accept(self, ctx: &TenantCtx, env: &Env) -> Run {
        let now = env.now();
        let due_at = self.due_at.unwrap_or(now);
        let status = if due_at > now { RunStatus::Waiting } else { RunStatus::Queued };
        Run {
            tenant: ctx.tenant().clone(),
            id: env.id(),
            queue: self.queue.unwrap_or_else(|| self.kind.queue().to_owned()),
            kind: self.kind,
            priority: self.priority,
            status,
            subject_id: self.subject_id,
            definition_hash: self.definition_hash,
            interp_version: self.interp_version,
            dedupe_key: self.dedupe_key,
            trigger: self.trigger,
            input: self.input,
            output: None,
            error: None,
            progress: None,
            started_by: ctx.actor().label(),
            parent: self.parent,
            origin: self.origin,
            turnstile: self.turnstile,
            attempts: 0,
            crashes: 0,
            cancel_requested: false,
            due_at,
            created_at: now,
            started_at: None,
            finished_at: None,
        }
    }
}

#[derive(FromRow)]
pub(crate) struct Row {
    tenant_id: String,
    id: String,
    kind: String,
    queue: String,
    priority: i64,
    status: String,
    subject_id: String,
    definition_hash: String,
    interp_version: i64,
    dedupe_key: Option<String>,
    trigger: String,
    input: String,
    output: Option<String>,
    error: Option<String>,
    progress: Option<String>,
    started_by: String,
    parent_run_id: Option<String>,
    parent_step_id: Option<String>,
    attempts: i64,
    crashes: i64,
    cancel_requested: bool,
    due_at: i64,
    created_at: i64,
    started_at: Option<i64>,
    finished_at: Option<i64>,
    origin_run_id: Option<String>,
    origin_position: Option<i64>,
    origin_step: Option<String>,
    concurrency_key: Option<String>,
    concurrency_limit: Option<i64>,
}

impl Row {
    pub(crate) fn run(self) -> StoreResult<Run> {
        let json = |text: Option<String>| text.map(|text| serde_json::from_str(&text)).transpose();
        let origin = self.origin_run_id.map(|run| Origin {
            run: RunId::trusted(run),
            position: self.origin_position.and_then(|position| u64::try_from(position).ok()),
            step: self.origin_step,
        });
        let limit = self.concurrency_limit.and_then(|limit| u32::try_from(limit).ok());
        Ok(Run {
            turnstile: self.concurrency_key.zip(limit).map(|(key, limit)| Turnstile { key, limit }),
            tenant: TenantId::trusted(self.tenant_id),
            id: RunId::trusted(self.id),
            kind: self.kind.parse()?,
            queue: self.queue,
            priority: self.priority,
            status: self.status.parse()?,
            subject_id: self.subject_id,
            definition_hash: self.definition_hash,
            interp_version: u32::try_from(self.interp_version).unwrap_or_default(),
            dedupe_key: self.dedupe_key,
            trigger: self.trigger,
            input: Payload::read(&self.input)?,
            output: self.output.as_deref().map(Payload::read).transpose()?,
            error: self.error.map(|text| serde_json::from_str(&text)).transpose()?,
            progress: json(self.progress)?,
            started_by: self.started_by,
            parent: self.parent_run_id.map(RunId::trusted).zip(self.parent_step_id),
            origin,
            attempts: u32::try_from(self.attempts).unwrap_or_default(),
            crashes: u32::try_from(self.crashes).unwrap_or_default(),
            cancel_requested: self.cancel_requested,
            due_at: Timestamp(self.due_at),
            created_at: Timestamp(self.created_at),
            started_at: self.started_at.map(Timestamp),
            finished_at: self.finished_at.map(Timestamp),
        })
    }
}

impl Tx {
    /// Forgets runs that ended before a time, with all that belongs to them, `limit` at most; how
    /// many there were.
    ///
    /// # Errors
    /// What the database says.
    pub async fn forget_runs(&mut self, before: Timestamp, limit: u32) -> StoreResult<u64> {
        Ok(on!(self, c => sqlx::query(FORGET)
            .bind(before.0).bind(i64::from(limit)).execute(c).await?.rows_affected()))
    }

    /// Records how far a run is. Failures and crashes count from here on: it got further.
    ///
    /// # Errors
    /// What the database says.
    pub async fn set_run_progress(
        &mut self,
        ctx: &TenantCtx,
        run: &RunId,
        progress: &Value,
    ) -> StoreResult<()> {
        on!(self, c => sqlx::query(PROGRESS)
            .bind(ctx.tenant().as_str()).bind(run.as_str()).bind(progress.to_string())
            .execute(c).await.map(drop)?);
        Ok(())
    }

    /// Asks an open run to stop. False when it has ended already or does not exist.
    ///
    /// # Errors
    /// What the database says.
    pub async fn request_run_cancel(&mut self, ctx: &TenantCtx, run: &RunId) -> StoreResult<bool> {
        let now = self.env.now().0;
        let touched: Vec<Standing> = on!(self, c => sqlx::query_as(CANCEL)
            .bind(ctx.tenant().as_str()).bind(run.as_str()).bind(now)
            .fetch_all(c).await?);
        let was_open = !touched.is_empty();
        self.tell(touched);
        Ok(was_open)
    }

    /// Asks all open runs that a run started to stop.
    ///
    /// # Errors
    /// What the database says.
    pub async fn request_children_cancel(
        &mut self,
        ctx: &TenantCtx,
        parent: &RunId,
    ) -> StoreResult<()> {
        let now = self.env.now().0;
        let touched: Vec<Standing> = on!(self, c => sqlx::query_as(CANCEL_CHILDREN)
            .bind(ctx.tenant().as_str()).bind(parent.as_str()).bind(now)
            .fetch_all(c).await?);
        self.tell(touched);
        Ok(())
    }
}

impl Conn {
    /// A run.
    ///
    /// # Errors
    /// What the database says.
    pub async fn run(&mut self, ctx: &TenantCtx, run: &RunId) -> StoreResult<Option<Run>> {
        let row: Option<Row> = on!(self, c => sqlx::query_as(GET)
            .bind(ctx.tenant().as_str()).bind(run.as_str()).fetch_optional(c).await?);
        row.map(Row::run).transpose()
    }

    /// The newest run that a step of another run started.
    ///
    /// # Errors
    /// What the database says.
    pub async fn child_run(
        &mut self,
        ctx: &TenantCtx,
        parent: &RunId,
        step: &str,
    ) -> StoreResult<Option<RunId>> {
        let row: Option<(String,)> = on!(self, c => sqlx::query_as(CHILD)
            .bind(ctx.tenant().as_str()).bind(parent.as_str()).bind(step)
            .fetch_optional(c).await?);
        Ok(row.map(|(id,)| RunId::trusted(id)))
    }

    /// The run that waits for this one, where one does.
    ///
    /// # Errors
    /// What the database says.
    pub async fn parent_run(&mut self, ctx: &TenantCtx, run: &RunId) -> StoreResult<Option<RunId>> {
        let row: Option<(Option<String>,)> = on!(self, c => sqlx::query_as(PARENT)
            .bind(ctx.tenant().as_str()).bind(run.as_str()).fetch_optional(c).await?);
        Ok(row.and_then(|(parent,)| parent).map(RunId::trusted))
    }

    /// The oldest run of a workflow or data flow that has not ended.
    ///
    /// # Errors
    /// What the database says.
    pub async fn open_run_of(
        &mut self,
        ctx: &TenantCtx,
        subject: &str,
    ) -> StoreResult<Option<Run>> {
        let row: Option<Row> = on!(self, c => sqlx::query_as(OPEN_OF_SUBJECT)
            .bind(ctx.tenant().as_str()).bind(subject).fetch_optional(c).await?);
        row.map(Row::run).transpose()
    }
}
