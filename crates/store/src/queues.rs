//! Queues: who has paused them, and what a monitor shows of them.

use connectus_core::{Result, TenantCtx, TenantId, Timestamp};
use sqlx::FromRow;

use crate::{
    conn::{Conn, Tx},
    error::StoreResult,
    sql::{on, sql},
};

// Each count goes to the open runs of one tenant by an index that holds no others; the limits keep
// the look from taking for ever.
sql! {
    PAUSE = "INSERT INTO queue_pauses (tenant_id, queue, paused_at, paused_by) \
             VALUES ($1, $2, $3, $4) ON CONFLICT (tenant_id, queue) DO NOTHING";
    RESUME = "DELETE FROM queue_pauses WHERE tenant_id = $1 AND queue = $2";
    HELD = "SELECT (SELECT COUNT(*) FROM queue_pauses WHERE tenant_id = $1 AND queue = $2) \
            + (SELECT COUNT(*) FROM installation WHERE name = $3)";
    PAUSES = "SELECT queue, paused_at, paused_by FROM queue_pauses WHERE tenant_id = $1";
    QUEUED = "SELECT COUNT(*) AS runs, \
              COALESCE(SUM(CASE WHEN found.due_at <= $2 THEN 1 ELSE 0 END), 0) AS due, \
              MIN(found.due_at) AS oldest FROM (\
              SELECT due_at FROM runs WHERE status = 'queued' AND queue = $3 AND held = FALSE \
              AND tenant_id = $1 UNION ALL \
              SELECT due_at FROM runs WHERE status = 'queued' AND queue = $3 AND held = TRUE \
              AND tenant_id = $1 LIMIT 1000000) AS found";
    OPEN = "SELECT found.queue, found.status, COUNT(*) AS runs, \
            SUM(CASE WHEN found.due_at <= $2 THEN 1 ELSE 0 END) AS due, \
            MIN(found.due_at) AS oldest FROM (\
            SELECT queue, status, due_at FROM runs WHERE status = 'running' AND tenant_id = $1 \
            UNION ALL SELECT queue, status, due_at FROM runs \
            WHERE status = 'quarantined' AND tenant_id = $1 UNION ALL \
            SELECT queue, status, due_at FROM runs WHERE status = 'waiting' AND tenant_id = $1 \
            LIMIT 1000000) AS found GROUP BY found.queue, found.status";
    DEAD = "SELECT found.queue, COUNT(*) AS runs FROM (\
            SELECT tenant_id, id, queue, kind, subject_id, created_at FROM runs \
            WHERE tenant_id = $1 AND status = 'failed' AND parent_run_id IS NULL \
            LIMIT 200000) AS found WHERE NOT EXISTS (SELECT 1 FROM runs AS later \
            WHERE later.tenant_id = found.tenant_id AND later.origin_run_id = found.id) \
            AND NOT (found.kind = 'sync' AND EXISTS (SELECT 1 FROM runs AS later \
            WHERE later.tenant_id = found.tenant_id AND later.subject_id = found.subject_id \
            AND later.created_at >= found.created_at AND later.id <> found.id)) \
            GROUP BY found.queue";
    RECENT = "SELECT queue, status, created_at, started_at, finished_at FROM runs \
              WHERE tenant_id = $1 AND created_at >= $2 ORDER BY created_at DESC LIMIT $3";
    DELIVERIES = "SELECT status, COUNT(*) AS deliveries, \
                  SUM(CASE WHEN due_at <= $2 THEN 1 ELSE 0 END) AS due, MIN(due_at) AS oldest \
                  FROM webhook_deliveries WHERE tenant_id = $1 AND status IN ('pending', 'dead') \
                  GROUP BY status";
}

/// A queue that someone has paused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Which queue.
    pub queue: String,
    /// When it was paused.
    pub at: Timestamp,
    /// Who did it.
    pub by: String,
}

/// Open runs of one status in a queue, or deliveries that are not made yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// Which queue.
    pub queue: String,
    /// `queued`, `running` or `waiting`.
    pub status: String,
    /// How many there are.
    pub count: u64,
    /// How many of them are due.
    pub due: u64,
    /// When the first of them is, or was, due.
    pub oldest: Timestamp,
}

/// A run that was accepted lately.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lately {
    /// Its queue.
    pub queue: String,
    /// Where it stands.
    pub status: String,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When work on it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

#[derive(FromRow)]
struct PauseRow {
    queue: String,
    paused_at: i64,
    paused_by: String,
}

#[derive(FromRow)]
struct LatelyRow {
    queue: String,
    status: String,
    created_at: i64,
    started_at: Option<i64>,
    finished_at: Option<i64>,
}

fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// The fact that a queue is stopped for everyone.
fn stopped_fact(queue: &str) -> String {
    format!("queue_stopped:{queue}")
}

impl Conn {
    /// The queues that the tenant has paused.
    ///
    /// # Errors
    /// What the database says.
    pub async fn queue_pauses(&mut self, ctx: &TenantCtx) -> StoreResult<Vec<Pause>> {
        let rows: Vec<PauseRow> = on!(self, c => sqlx::query_as(PAUSES)
            .bind(ctx.tenant().as_str()).fetch_all(c).await?);
        let pause = |PauseRow { queue, paused_at, paused_by }| Pause {
            queue,
            at: Timestamp(paused_at),
            by: paused_by,
        };
        Ok(rows.into_iter().map(pause).collect())
    }

    /// Whether a queue is stopped for everyone.
    ///
    /// # Errors
    /// What the database says.
    pub async fn is_queue_stopped(&mut self, queue: &str) -> StoreResult<bool> {
        Ok(self.installation_fact(&stopped_fact(queue)).await?.is_some())
    }

    /// Whether a queue is paused for a tenant, by itself or for everyone.
    ///
    /// # Errors
    /// What the database says.
    pub async fn is_queue_paused(&mut self, tenant: &TenantId, queue: &str) -> StoreResult<bool> {
        let (held,): (i64,) = on!(self, c => sqlx::query_as(HELD)
            .bind(tenant.as_str()).bind(queue).bind(stopped_fact(queue)).fetch_one(c).await?);
        Ok(held > 0)
    }

    /// The tenant's queued runs in one queue.
    async fn queued_runs(
        &mut self,
        ctx: &TenantCtx,
        queue: &str,
        now: Timestamp,
    ) -> StoreResult<Option<Open>> {
        let (runs, due, oldest): (i64, i64, Option<i64>) = on!(self, c => sqlx::query_as(QUEUED)
            .bind(ctx.tenant().as_str()).bind(now.0).bind(queue).fetch_one(c).await?);
        Ok(oldest.map(|oldest| Open {
            queue: queue.to_owned(),
            status: "queued".to_owned(),
            count: count(runs),
            due: count(due),
            oldest: Timestamp(oldest),
        }))
    }

    /// The tenant's open runs in these queues, by queue and status.
    ///
    /// # Errors
    /// What the database says.
    pub async fn open_runs(
        &mut self,
        ctx: &TenantCtx,
        queues: &[&str],
        now: Timestamp,
    ) -> StoreResult<Vec<Open>> {
        let mut open = self.begun_runs(ctx, now).await?;
        for queue in queues {
            open.extend(self.queued_runs(ctx, queue, now).await?);
        }
        Ok(open)
    }

    /// The tenant's runs that are worked on or rest, by queue and status.
    async fn begun_runs(&mut self, ctx: &TenantCtx, now: Timestamp) -> StoreResult<Vec<Open>> {
        let rows: Vec<(String, String, i64, i64, i64)> = on!(self, c => sqlx::query_as(OPEN)
            .bind(ctx.tenant().as_str()).bind(now.0).fetch_all(c).await?);
        let open = |(queue, status, runs, due, oldest)| Open {
            queue,
            status,
            count: count(runs),
            due: count(due),
            oldest: Timestamp(oldest),
        };
        Ok(rows.into_iter().map(open).collect())
    }

    /// The tenant's dead letters, by queue: runs that failed and that nothing has made up for.
    ///
    /// # Errors
    /// What the database says.
    pub async fn dead_runs(&mut self, ctx: &TenantCtx) -> StoreResult<Vec<(String, u64)>> {
        let rows: Vec<(String, i64)> = on!(self, c => sqlx::query_as(DEAD)
            .bind(ctx.tenant().as_str()).fetch_all(c).await?);
        Ok(rows.into_iter().map(|(queue, runs)| (queue, count(runs))).collect())
    }

    /// The newest runs that the tenant had accepted since a time, `limit` at most, newest first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn runs_since(
        &mut self,
        ctx: &TenantCtx,
        since: Timestamp,
        limit: u32,
    ) -> StoreResult<Vec<Lately>> {
        let rows: Vec<LatelyRow> = on!(self, c => sqlx::query_as(RECENT)
            .bind(ctx.tenant().as_str()).bind(since.0).bind(i64::from(limit)).fetch_all(c).await?);
        let lately = |row: LatelyRow| Lately {
            queue: row.queue,
            status: row.status,
            created_at: Timestamp(row.created_at),
            started_at: row.started_at.map(Timestamp),
            finished_at: row.finished_at.map(Timestamp),
        };
        Ok(rows.into_iter().map(lately).collect())
    }

    /// The tenant's deliveries that are not made yet (`pending`) and those given up (`dead`).
    ///
    /// # Errors
    /// What the database says.
    pub async fn open_deliveries(
        &mut self,
        ctx: &TenantCtx,
        now: Timestamp,
    ) -> StoreResult<Vec<Open>> {
        let rows: Vec<(String, i64, i64, i64)> = on!(self, c => sqlx::query_as(DELIVERIES)
            .bind(ctx.tenant().as_str()).bind(now.0).fetch_all(c).await?);
        let open = |(status, deliveries, due, oldest)| Open {
            queue: connectus_core::queue::DELIVERY.to_owned(),
            status,
            count: count(deliveries),
            due: count(due),
            oldest: Timestamp(oldest),
        };
        Ok(rows.into_iter().map(open).collect())
    }
}

impl Tx {
    /// Pauses a queue for a tenant. False when it was paused already.
    ///
    /// # Errors
    /// What the database says.
    pub async fn pause_queue(&mut self, ctx: &TenantCtx, queue: &str) -> StoreResult<bool> {
        let (now, by) = (self.env.now().0, ctx.actor().label());
        let touched = on!(self, c => sqlx::query(PAUSE)
            .bind(ctx.tenant().as_str()).bind(queue).bind(now).bind(by)
            .execute(c).await?.rows_affected());
        Ok(touched == 1)
    }

    /// Lets a queue go on for a tenant. False when it was not paused.
    ///
    /// # Errors
    /// What the database says.
    pub async fn resume_queue(&mut self, ctx: &TenantCtx, queue: &str) -> StoreResult<bool> {
        let touched = on!(self, c => sqlx::query(RESUME)
            .bind(ctx.tenant().as_str()).bind(queue).execute(c).await?.rows_affected());
        self.wake_engine();
        Ok(touched == 1)
    }

    /// Stops a queue for everyone, or lets it go on.
    ///
    /// # Errors
    /// What the database says.
    pub async fn stop_queue(&mut self, queue: &str, stopped: bool) -> Result<()> {
        let name = stopped_fact(queue);
        if stopped {
            let now = self.env.now().to_string();
            return Ok(self.put_installation_fact(&name, &now).await?);
        }
        self.wake_engine();
        Ok(self.forget_installation_fact(&name).await?)
    }
}
