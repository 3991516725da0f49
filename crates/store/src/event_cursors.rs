//! How far each handler of events has come in each tenant's events, and how far events are
//! forgotten.

use std::sync::Arc;

use connectus_core::{TenantCtx, TenantId, Timestamp, event::Event};
use sqlx::FromRow;

use crate::{
    conn::{Conn, Tx},
    error::StoreResult,
    sql::{on, sql},
};

sql! {
    // For the loop that follows events, which serves all tenants. A handler that waits for its next
    // attempt counts as one that is through.
    BEHIND = "SELECT t.id, t.event_seq FROM tenants t WHERE t.status = 'active' \
              AND t.event_seq > 0 AND (SELECT COUNT(*) FROM event_cursors c \
                  WHERE c.tenant_id = t.id AND (c.event_seq >= t.event_seq OR c.due_at > $1)) < $2 \
              ORDER BY t.id LIMIT $3";
    NAMES = "SELECT DISTINCT handler FROM event_cursors ORDER BY handler";
    RETIRE = "DELETE FROM event_cursors WHERE handler = $1";
    // Of the whole installation, for metrics.
    POSITIONS = "SELECT c.handler, CAST(SUM(c.event_seq) AS BIGINT) AS through, \
                 CAST(SUM(CASE WHEN c.failures > 0 THEN 1 ELSE 0 END) AS BIGINT) AS failing \
                 FROM event_cursors c JOIN tenants t ON t.id = c.tenant_id \
                 WHERE t.status = 'active' GROUP BY c.handler ORDER BY c.handler";
    EMITTED = "SELECT CAST(COALESCE(SUM(event_seq), 0) AS BIGINT) FROM tenants \
               WHERE status = 'active'";
    SUBSCRIPTIONS_LAG = "SELECT CAST(COALESCE(SUM(t.event_seq - s.event_seq), 0) AS BIGINT) \
                         FROM webhook_subscriptions s JOIN tenants t ON t.id = s.tenant_id \
                         WHERE s.enabled = TRUE AND t.status = 'active'";
    WATCHES_LAG = "SELECT CAST(COALESCE(SUM(t.event_seq - w.event_seq), 0) AS BIGINT) \
                   FROM workflow_watches w JOIN tenants t ON t.id = w.tenant_id \
                   JOIN workflows f ON f.tenant_id = w.tenant_id AND f.id = w.workflow_id \
                   WHERE w.kind = 'events' AND f.status = 'active' AND t.status = 'active'";
    SUBSCRIPTIONS = "SELECT COUNT(*), MIN(event_seq) FROM webhook_subscriptions \
                     WHERE tenant_id = $1 AND enabled = TRUE";
    WATCHES = "SELECT COUNT(*), MIN(w.event_seq) FROM workflow_watches w JOIN workflows f \
               ON f.tenant_id = w.tenant_id AND f.id = w.workflow_id \
               WHERE w.tenant_id = $1 AND w.kind = 'events' AND f.status = 'active'";
    OF_TENANT = "SELECT handler, event_seq, failures, problem, due_at, rebuilt_from, kept_day \
                 FROM event_cursors WHERE tenant_id = $1 ORDER BY handler";
    BEGIN = "INSERT INTO event_cursors (tenant_id, handler, updated_at) VALUES ($1, $2, $3) \
             ON CONFLICT (tenant_id, handler) DO NOTHING";
    ADVANCE = "UPDATE event_cursors SET event_seq = $3, failures = 0, problem = NULL, due_at = 0, \
               updated_at = $4 WHERE tenant_id = $1 AND handler = $2 AND event_seq = $5";
    FAILED = "UPDATE event_cursors SET failures = failures + 1, problem = $3, due_at = $4, \
              updated_at = $5 WHERE tenant_id = $1 AND handler = $2 AND event_seq = $6";
    REWIND = "UPDATE event_cursors SET event_seq = $3, rebuilt_from = event_seq, kept_day = $4, \
              failures = 0, problem = NULL, due_at = 0, updated_at = $5 \
              WHERE tenant_id = $1 AND handler = $2 AND event_seq >= rebuilt_from";
    SEEN_BY_ALL = "SELECT MIN(seq) FROM (\
                   SELECT event_seq AS seq FROM tenants WHERE id = $1 UNION ALL \
                   SELECT event_seq AS seq FROM event_cursors WHERE tenant_id = $1 UNION ALL \
                   SELECT event_seq AS seq FROM webhook_subscriptions \
                       WHERE tenant_id = $1 AND enabled = TRUE UNION ALL \
                   SELECT event_seq - 1 AS seq FROM webhook_deliveries \
                       WHERE tenant_id = $1 AND status = 'pending' UNION ALL \
                   SELECT w.event_seq AS seq FROM workflow_watches w JOIN workflows f \
                       ON f.tenant_id = w.tenant_id AND f.id = w.workflow_id \
                       WHERE w.tenant_id = $1 AND w.kind = 'events' AND f.status = 'active') s";
    FLOOR = "SELECT event_seq, day FROM event_floors WHERE tenant_id = $1";
    TIMES = "SELECT seq, at, entries FROM events WHERE tenant_id = $1 ORDER BY seq LIMIT $2";
    FORGET = "DELETE FROM events WHERE tenant_id = $1 AND seq <= $2";
    RAISE_FLOOR = "INSERT INTO event_floors (tenant_id, event_seq, day) VALUES ($1, $2, $3) \
                   ON CONFLICT (tenant_id) DO UPDATE SET event_seq = excluded.event_seq, \
                   day = excluded.day";
}

/// How far a handler has come in a tenant's events.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct HandlerCursor {
    /// The handler's name.
    pub handler: String,
    /// The last event it has taken in.
    pub seq: u64,
    /// How often in a row it has failed at what comes next.
    pub failures: u32,
    /// Why it failed last.
    pub problem: Option<String>,
    /// When it tries again.
    pub due_at: Timestamp,
    /// How far it had come when it last began anew; until there, events of days before
    /// `kept_day` are in its sums already.
    pub rebuilt_from: u64,
    /// The first day that was made again; `''` for all.
    pub kept_day: String,
}

/// A tenant with events that some handler has not taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantBehind {
    /// Which tenant.
    pub tenant: TenantId,
    /// The position of its newest event.
    pub newest: u64,
}

/// How far the handlers have come in the events of all tenants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandlerLag {
    /// The handler's name.
    pub handler: String,
    /// Events it has not taken in.
    pub behind: u64,
    /// Tenants at whose events it fails.
    pub failing: u64,
}

/// Who follows events each at a pace of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Followers {
    /// Enabled subscriptions for outgoing webhooks.
    Subscriptions,
    /// Active workflows that events or ends of runs start.
    Workflows,
}

/// How far events are forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Floor {
    /// All events until this one are gone.
    pub seq: u64,
    /// They happened before this day, `YYYY-MM-DD`; `''` when none are gone.
    pub day: String,
}

/// Some events of a tenant, oldest first.
#[derive(Clone, Debug)]
pub struct EventPage {
    /// Those of types that this version knows.
    pub events: Vec<Arc<Event>>,
    /// The position of the last one read, known or not.
    pub last: u64,
}

#[derive(FromRow)]
struct CursorRow {
    handler: String,
    event_seq: i64,
    failures: i64,
    problem: Option<String>,
    due_at: i64,
    rebuilt_from: i64,
    kept_day: String,
}

impl From<CursorRow> for HandlerCursor {
    fn from(row: CursorRow) -> Self {
        Self {
            handler: row.handler,
            seq: positive(row.event_seq),
            failures: u32::try_from(row.failures).unwrap_or(u32::MAX),
            problem: row.problem,
            due_at: Timestamp(row.due_at),
            rebuilt_from: positive(row.rebuilt_from),
            kept_day: row.kept_day,
        }
    }
}

fn positive(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Conn {
    /// Tenants with events that fewer than `handlers` handlers have taken in, `limit` at most.
    ///
    /// # Errors
    /// What the database says.
    pub async fn tenants_behind(
        &mut self,
        handlers: usize,
        now: Timestamp,
        limit: u32,
    ) -> StoreResult<Vec<TenantBehind>> {
        let handlers = i64::try_from(handlers).unwrap_or(i64::MAX);
        let rows: Vec<(String, i64)> = on!(self, c => sqlx::query_as(BEHIND)
            .bind(now.0).bind(handlers).bind(i64::from(limit)).fetch_all(c).await?);
        let behind = |(tenant, newest): (String, i64)| TenantBehind {
            tenant: TenantId::trusted(tenant),
            newest: positive(newest),
        };
        Ok(rows.into_iter().map(behind).collect())
    }

    /// How far the handlers that have begun have come in a tenant's events.
    ///
    /// # Errors
    /// What the database says.
    pub async fn handler_cursors(&mut self, ctx: &TenantCtx) -> StoreResult<Vec<HandlerCursor>> {
        let rows: Vec<CursorRow> = on!(self, c => sqlx::query_as(OF_TENANT)
            .bind(ctx.tenant().as_str()).fetch_all(c).await?);
        Ok(rows.into_iter().map(Into::into).collect())
    }

    /// The next events of a tenant; `None` when there are none after `after`.
    ///
    /// # Errors
    /// What the database says.
    pub async fn event_page(
        &mut self,
        ctx: &TenantCtx,
        after: u64,
        limit: u32,
    ) -> StoreResult<Option<EventPage>> {
        let headings = self.events_and_last(ctx, after, limit).await?;
        Ok(headings.map(|(events, last)| EventPage {
            events: events.into_iter().map(Arc::new).collect(),
            last,
        }))
    }

    /// How far handlers have come in the events of all active tenants.
    ///
    /// # Errors
    /// What the database says.
    pub async fn handler_lags(&mut self) -> StoreResult<Vec<HandlerLag>> {
        let (emitted,): (i64,) = on!(self, c => sqlx::query_as(EMITTED).fetch_one(c).await?);
        let rows: Vec<(String, i64, i64)> =
            on!(self, c => sqlx::query_as(POSITIONS).fetch_all(c).await?);
        let lag = |(handler, through, failing): (String, i64, i64)| HandlerLag {
            handler,
            behind: positive(emitted.saturating_sub(through)),
            failing: positive(failing),
        };
        Ok(rows.into_iter().map(lag).collect())
    }

    /// Events that someone among the followers of this kind has not seen yet, in all tenants,
    /// counted once for each of them.
    ///
    /// # Errors
    /// What the database says.
    pub async fn followers_behind(&mut self, kind: Followers) -> StoreResult<u64> {
        let text = match kind {
            Followers::Subscriptions => SUBSCRIPTIONS_LAG,
            Followers::Workflows => WATCHES_LAG,
        };
        let (behind,): (i64,) = on!(self, c => sqlx::query_as(text).fetch_one(c).await?);
        Ok(positive(behind))
    }

    /// How many of this kind follow a tenant's events, and how far the last of them has come.
    ///
    /// # Errors
    /// What the database says.
    pub async fn followers(
        &mut self,
        ctx: &TenantCtx,
        kind: Followers,
    ) -> StoreResult<(u64, Option<u64>)> {
        let text = match kind {
            Followers::Subscriptions => SUBSCRIPTIONS,
            Followers::Workflows => WATCHES,
        };
        let (count, last): (i64, Option<i64>) = on!(self, c => sqlx::query_as(text)
            .bind(ctx.tenant().as_str()).fetch_one(c).await?);
        Ok((positive(count), last.map(positive)))
    }

    /// The names of all handlers that ever began.
    ///
    /// # Errors
    /// What the database says.
    pub async fn handler_names(&mut self) -> StoreResult<Vec<String>> {
        let rows: Vec<(String,)> = on!(self, c => sqlx::query_as(NAMES).fetch_all(c).await?);
        Ok(rows.into_iter().map(|(name,)| name).collect())
    }

    /// How far a tenant's events are forgotten.
    ///
    /// # Errors
    /// What the database says.
    pub async fn event_floor(&mut self, ctx: &TenantCtx) -> StoreResult<Floor> {
        let row: Option<(i64, String)> = on!(self, c => sqlx::query_as(FLOOR)
            .bind(ctx.tenant().as_str()).fetch_optional(c).await?);
        Ok(row.map_or_else(Floor::default, |(seq, day)| Floor { seq: positive(seq), day }))
    }
}

impl Tx {
    /// Lets a handler begin with a tenant's first event, unless it has begun.
    ///
    /// # Errors
    /// What the database says.
    pub async fn begin_handler(&mut self, ctx: &TenantCtx, handler: &str) -> StoreResult<()> {
        let now = self.env.now().0;
        on!(self, c => sqlx::query(BEGIN)
            .bind(ctx.tenant().as_str()).bind(handler).bind(now).execute(c).await.map(drop)?);
        Ok(())
    }

    /// Moves a handler from `from` to `to`. False, and nothing is to be kept, when someone else
    /// has moved it.
    ///
    /// # Errors
    /// What the database says.
    pub async fn advance_handler(
        &mut self,
        ctx: &TenantCtx,
        handler: &str,
        from: u64,
        to: u64,
    ) -> StoreResult<bool> {
        let now = self.env.now().0;
        let moved = on!(self, c => sqlx::query(ADVANCE)
            .bind(ctx.tenant().as_str()).bind(handler).bind(signed(to)).bind(now)
            .bind(signed(from)).execute(c).await?.rows_affected());
        Ok(moved == 1)
    }

    /// Notes that a handler failed at what comes after `at`, and when it tries again.
    ///
    /// # Errors
    /// What the database says.
    pub async fn handler_failed(
        &mut self,
        ctx: &TenantCtx,
        handler: &str,
        at: u64,
        problem: &str,
        due: Timestamp,
    ) -> StoreResult<()> {
        let now = self.env.now().0;
        on!(self, c => sqlx::query(FAILED)
            .bind(ctx.tenant().as_str()).bind(handler).bind(problem).bind(due.0).bind(now)
            .bind(signed(at)).execute(c).await.map(drop)?);
        Ok(())
    }

    /// Lets a handler begin anew after what is forgotten. False when it does so already.
    ///
    /// # Errors
    /// What the database says.
    pub async fn rewind_handler(
        &mut self,
        ctx: &TenantCtx,
        handler: &str,
        floor: &Floor,
    ) -> StoreResult<bool> {
        let now = self.env.now().0;
        let moved = on!(self, c => sqlx::query(REWIND)
            .bind(ctx.tenant().as_str()).bind(handler).bind(signed(floor.seq)).bind(&floor.day)
            .bind(now).execute(c).await?.rows_affected());
        Ok(moved == 1)
    }

    /// Forgets the cursors of a handler that there is no more.
    ///
    /// # Errors
    /// What the database says.
    pub async fn retire_handler(&mut self, handler: &str) -> StoreResult<()> {
        on!(self, c => sqlx::query(RETIRE).bind(handler).execute(c).await.map(drop)?);
        Ok(())
    }

    /// Forgets a tenant's oldest events as far as all of them happened before `before`, the
    /// beginning of a day, and everyone who follows events has seen them; `limit` at most. Returns
    /// how many.
    ///
    /// # Errors
    /// What the database says.
    pub async fn forget_events(
        &mut self,
        ctx: &TenantCtx,
        before: Timestamp,
        limit: u32,
    ) -> StoreResult<u64> {
        let tenant = ctx.tenant().as_str();
        let (seen,): (Option<i64>,) =
            on!(self, c => sqlx::query_as(SEEN_BY_ALL).bind(tenant).fetch_one(c).await?);
        let times: Vec<(i64, i64, i64)> = on!(self, c => sqlx::query_as(TIMES)
            .bind(tenant).bind(i64::from(limit)).fetch_all(c).await?);
        let seen = seen.unwrap_or_default();
        let old = times.iter().take_while(|(seq, at, _)| *seq <= seen && *at < before.0);
        let Some((last, _, _)) = old.clone().last() else { return Ok(0) };
        on!(self, c => sqlx::query(FORGET)
            .bind(tenant).bind(*last).execute(c).await.map(drop)?);
        on!(self, c => sqlx::query(RAISE_FLOOR)
            .bind(tenant).bind(*last).bind(before.day()).execute(c).await.map(drop)?);
        Ok(old.map(|(_, _, entries)| positive(*entries)).sum())
    }
}
