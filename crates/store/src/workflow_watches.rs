//! What triggers that watch have seen: how far into the events, and what held at the last look.

use connectus_core::{TenantCtx, TenantId, Timestamp, WorkflowId};
use sqlx::FromRow;

use crate::{
    conn::{Conn, Tx},
    error::StoreResult,
    sql::{on, sql},
};

sql! {
    PUT = "INSERT INTO workflow_watches (tenant_id, workflow_id, kind, event_seq) \
           SELECT $1, $2, $3, event_seq FROM tenants WHERE id = $1 \
           ON CONFLICT (tenant_id, workflow_id) DO UPDATE SET kind = excluded.kind, \
           event_seq = excluded.event_seq, state = NULL, looked_at = NULL, problem = NULL, \
           looks = workflow_watches.looks + 1";
    DROP = "DELETE FROM workflow_watches WHERE tenant_id = $1 AND workflow_id = $2";
    GET = "SELECT kind, event_seq, state, looks, looked_at, problem FROM workflow_watches \
           WHERE tenant_id = $1 AND workflow_id = $2";
    // For the loop that follows events, which serves all tenants.
    BEHIND = "SELECT w.tenant_id, w.workflow_id, w.event_seq FROM workflow_watches w \
              JOIN tenants t ON t.id = w.tenant_id \
              JOIN workflows f ON f.tenant_id = w.tenant_id AND f.id = w.workflow_id \
              WHERE w.kind = 'events' AND f.status = 'active' AND t.status = 'active' \
              AND t.event_seq > w.event_seq \
              ORDER BY w.event_seq - t.event_seq, w.workflow_id LIMIT $1";
    ANY = "SELECT COUNT(*) FROM (SELECT 1 AS one FROM workflow_watches \
           WHERE kind = 'events' LIMIT 1) w";
    ADVANCE = "UPDATE workflow_watches SET event_seq = $3 \
               WHERE tenant_id = $1 AND workflow_id = $2 AND event_seq = $4";
    LOOKED = "UPDATE workflow_watches SET state = $3, looks = looks + 1, looked_at = $4, \
              problem = $5 WHERE tenant_id = $1 AND workflow_id = $2 AND looks = $6";
    STARTED_SINCE = "SELECT COUNT(*) FROM (SELECT 1 AS one FROM runs WHERE tenant_id = $1 \
                     AND subject_id = $2 AND created_at >= $3 LIMIT $4) r";
}

/// What a trigger watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchKind {
    /// The tenant's events.
    Events,
    /// Records.
    Condition,
}

impl WatchKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Condition => "condition",
        }
    }
}

/// What a trigger has seen.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Watched {
    /// `events` or `condition`.
    pub kind: String,
    /// The last event that was looked at.
    pub event_seq: i64,
    /// What held at the last look, as JSON; none before the first.
    pub state: Option<String>,
    /// Looks so far.
    pub looks: i64,
    #[sqlx(rename = "looked_at")]
    looked: Option<i64>,
    /// What was wrong at the last look.
    pub problem: Option<String>,
}

impl Watched {
    /// When it was last looked.
    pub fn looked_at(&self) -> Option<Timestamp> {
        self.looked.map(Timestamp)
    }
}

/// A trigger with events it has not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchBehind {
    /// Whose it is.
    pub tenant: TenantId,
    /// Which workflow.
    pub workflow: WorkflowId,
    /// The last event that was looked at.
    pub seq: u64,
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Tx {
    /// Lets a workflow watch from now on, having seen nothing.
    ///
    /// # Errors
    /// What the database says.
    pub async fn put_watch(
        &mut self,
        ctx: &TenantCtx,
        workflow: &WorkflowId,
        kind: WatchKind,
    ) -> StoreResult<()> {
        on!(self, c => sqlx::query(PUT)
            .bind(ctx.tenant().as_str()).bind(workflow.as_str()).bind(kind.name())
            .execute(c).await.map(drop)?);
        Ok(())
    }

    /// Lets a workflow watch no longer.
    ///
    /// # Errors
    /// What the database says.
    pub async fn drop_watch(&mut self, ctx: &TenantCtx, workflow: &WorkflowId) -> StoreResult<()> {
        on!(self, c => sqlx::query(DROP)
            .bind(ctx.tenant().as_str()).bind(workflow.as_str()).execute(c).await.map(drop)?);
        Ok(())
    }

    /// Moves a trigger's position in the events from `behind` to `seq`. False, and nothing is to
    /// be kept, when someone else has moved it.
    ///
    /// # Errors
    /// What the database says.
    pub async fn advance_watch(
        &mut self,
        ctx: &TenantCtx,
        behind: &WatchBehind,
        seq: u64,
    ) -> StoreResult<bool> {
        let moved = on!(self, c => sqlx::query(ADVANCE)
            .bind(ctx.tenant().as_str())
            .bind(behind.workflow.as_str())
            .bind(signed(seq))
            .bind(signed(behind.seq))
            .execute(c)
            .await?
            .rows_affected());
        Ok(moved == 1)
    }

    /// Writes down what a look found, if no other look came between. False when one did.
    ///
    /// # Errors
    /// What the database says.
    pub async fn looked(
        &mut self,
        ctx: &TenantCtx,
        workflow: &WorkflowId,
        before: &Watched,
        state: Option<&str>,
        problem: Option<&str>,
    ) -> StoreResult<bool> {
        let now = self.env.now().0;
        let written = on!(self, c => sqlx::query(LOOKED)
            .bind(ctx.tenant().as_str())
            .bind(workflow.as_str())
            .bind(state)
            .bind(now)
            .bind(problem)
            .bind(before.looks)
            .execute(c)
            .await?
            .rows_affected());
        Ok(written == 1)
    }
}

impl Conn {
    /// What a workflow's trigger has seen; none when it does not watch.
    ///
    /// # Errors
    /// What the database says.
    pub async fn watch(
        &mut self,
        ctx: &TenantCtx,
        workflow: &WorkflowId,
    ) -> StoreResult<Option<Watched>> {
        Ok(on!(self, c => sqlx::query_as(GET)
            .bind(ctx.tenant().as_str()).bind(workflow.as_str()).fetch_optional(c).await?))
    }

    /// Triggers of active workflows with events they have not looked at, the farthest behind
    /// first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn watches_behind(&mut self, limit: u32) -> StoreResult<Vec<WatchBehind>> {
        let rows: Vec<(String, String, i64)> = on!(self, c => sqlx::query_as(BEHIND)
            .bind(i64::from(limit)).fetch_all(c).await?);
        let behind = |(tenant, workflow, seq): (String, String, i64)| WatchBehind {
            tenant: TenantId::trusted(tenant),
            workflow: WorkflowId::trusted(workflow),
            seq: u64::try_from(seq).unwrap_or_default(),
        };
        Ok(rows.into_iter().map(behind).collect())
    }

    /// Whether any workflow follows events.
    ///
    /// # Errors
    /// What the database says.
    pub async fn any_watch(&mut self) -> StoreResult<bool> {
        let (found,): (i64,) = on!(self, c => sqlx::query_as(ANY).fetch_one(c).await?);
        Ok(found > 0)
    }

    /// How many runs of a workflow were accepted since a time, counted up to `most`.
    ///
    /// # Errors
    /// What the database says.
    pub async fn runs_started_since(
        &mut self,
        ctx: &TenantCtx,
        workflow: &WorkflowId,
        since: Timestamp,
        most: u32,
    ) -> StoreResult<u32> {
        let (count,): (i64,) = on!(self, c => sqlx::query_as(STARTED_SINCE)
            .bind(ctx.tenant().as_str())
            .bind(workflow.as_str())
            .bind(since.0)
            .bind(i64::from(most))
            .fetch_one(c)
            .await?);
        Ok(u32::try_from(count).unwrap_or_default())
    }
}
