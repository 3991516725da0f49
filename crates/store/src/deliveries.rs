//! Deliveries: events on their way to subscribers, and the log of their attempts.

mod made;
mod tried;

use connectus_core::{
    DeliveryId, Page, Result, SubscriptionId, TenantCtx, Timestamp,
    delivery::{Attempt, Delivery, DeliveryStatus},
    page::Listing,
};
use sqlx::FromRow;

pub use made::{Behind, Heading, NewDelivery};
pub(crate) use made::{ROWS as MADE_ROWS, STATEMENTS as MADE_STATEMENTS};
pub(crate) use tried::STATEMENTS as TRIED_STATEMENTS;
pub use tried::{DeliveryClaim, Ready, Verdict};

use crate::{
    conn::{Conn, Tx},
    error::StoreResult,
    sql::{on, sql},
};

macro_rules! columns {
    () => {
        "id, subscription_id, event_seq, event, status, attempts, total_attempts, due_at, \
         created_at, finished_at"
    };
}
pub(crate) use columns;

/// Which rows a replay takes: those that failed, for good or so far.
macro_rules! failed {
    () => {
        " tenant_id = $1 AND subscription_id = $2 AND created_at >= $3 \
         AND (status = 'dead' OR (status = 'pending' AND attempts > 0))"
    };
}

/// What a replay does to a row. Raising `claims` voids an attempt under way.
macro_rules! again {
    () => {
        "UPDATE webhook_deliveries SET status = 'pending', attempts = 0, claims = claims + 1, \
         finished_at = NULL, due_at = "
    };
}

sql! {
    GET = concat!("SELECT ", columns!(), " FROM webhook_deliveries \
                   WHERE tenant_id = $1 AND id = $2");
    PAGE = concat!("SELECT ", columns!(), " FROM webhook_deliveries WHERE tenant_id = $1 \
                    AND ($2 = '' OR subscription_id = $2) AND ($3 = '' OR status = $3) \
                    ORDER BY created_at DESC, id DESC LIMIT $4 OFFSET $5");
    COUNT = "SELECT COUNT(*) FROM webhook_deliveries WHERE tenant_id = $1 \
             AND ($2 = '' OR subscription_id = $2) AND ($3 = '' OR status = $3)";
    ATTEMPTS = "SELECT number, at, millis, status, error, message, response \
                FROM delivery_attempts WHERE tenant_id = $1 AND delivery_id = $2 \
                ORDER BY number DESC LIMIT $3";
    REPLAY = concat!(again!(), "$3 WHERE tenant_id = $1 AND id = $2");
    REPLAY_FAILED = concat!(again!(), "$4 WHERE", failed!());
    // What ended long ago, of all tenants.
    PURGE = "DELETE FROM webhook_deliveries WHERE (tenant_id, id) IN (\
             SELECT tenant_id, id FROM webhook_deliveries WHERE finished_at < $1 LIMIT $2)";
}

/// Which deliveries a listing shows. `None` does not filter.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    /// To this subscription.
    pub subscription: Option<SubscriptionId>,
    /// That stand so.
    pub status: Option<DeliveryStatus>,
}

#[derive(FromRow)]
pub(crate) struct Row {
    id: String,
    subscription_id: String,
    event_seq: i64,
    event: String,
    status: String,
    attempts: i64,
    total_attempts: i64,
    due_at: i64,
    created_at: i64,
    finished_at: Option<i64>,
}

fn count(number: i64) -> u32 {
    u32::try_from(number).unwrap_or_default()
}

impl Row {
    pub(crate) fn delivery(self) -> Result<Delivery> {
        let status: DeliveryStatus = self.status.parse()?;
        Ok(Delivery {
            id: DeliveryId::trusted(self.id),
            subscription: SubscriptionId::trusted(self.subscription_id),
            event_seq: u64::try_from(self.event_seq).unwrap_or_default(),
            event: self.event,
            status,
            attempts: count(self.attempts),
            total_attempts: count(self.total_attempts),
            next_attempt_at: (status == DeliveryStatus::Pending).then_some(Timestamp(self.due_at)),
            created_at: Timestamp(self.created_at),
            finished_at: self.finished_at.map(Timestamp),
        })
    }
}

#[derive(FromRow)]
struct AttemptRow {
    number: i64,
    at: i64,
    millis: i64,
    status: Option<i64>,
    error: Option<String>,
    message: String,
    response: String,
}

impl From<AttemptRow> for Attempt {
    fn from(row: AttemptRow) -> Self {
        Self {
            number: count(row.number),
            at: Timestamp(row.at),
            millis: u64::try_from(row.millis).unwrap_or_default(),
            status: row.status.and_then(|status| u16::try_from(status).ok()),
            error: row.error,
            message: row.message,
            response: row.response,
        }
    }
}

impl Conn {
    /// A delivery of the tenant.
    ///
    /// # Errors
    /// What the database says.
    pub async fn delivery(
        &mut self,
        ctx: &TenantCtx,
        id: &DeliveryId,
    ) -> StoreResult<Option<Delivery>> {
        let row: Option<Row> = on!(self, c => sqlx::query_as(GET)
            .bind(ctx.tenant().as_str()).bind(id.as_str()).fetch_optional(c).await?);
        Ok(row.map(Row::delivery).transpose()?)
    }

    /// The tenant's deliveries, newest first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn deliveries(
        &mut self,
        ctx: &TenantCtx,
        filter: &DeliveryFilter,
        page: Page,
    ) -> StoreResult<Listing<Delivery>> {
        let tenant = ctx.tenant().as_str();
        let subscription = filter.subscription.as_ref().map_or("", SubscriptionId::as_str);
        let status = filter.status.map_or("", DeliveryStatus::name);
        let (total,): (i64,) = on!(self, c => sqlx::query_as(COUNT)
            .bind(tenant).bind(subscription).bind(status).fetch_one(c).await?);
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(PAGE)
            .bind(tenant)
            .bind(subscription)
            .bind(status)
            .bind(i64::from(page.limit))
            .bind(i64::try_from(page.offset).unwrap_or(i64::MAX))
            .fetch_all(c)
            .await?);
        let items = rows.into_iter().map(Row::delivery).collect::<Result<_>>()?;
        Ok(Listing { items, total_count: u64::try_from(total).unwrap_or_default() })
    }

    /// The newest attempts of a delivery, newest first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn delivery_attempts(
        &mut self,
        ctx: &TenantCtx,
        id: &DeliveryId,
        limit: u32,
    ) -> StoreResult<Vec<Attempt>> {
        let rows: Vec<AttemptRow> = on!(self, c => sqlx::query_as(ATTEMPTS)
            .bind(ctx.tenant().as_str()).bind(id.as_str()).bind(i64::from(limit))
            .fetch_all(c).await?);
        Ok(rows.into_iter().map(Attempt::from).collect())
    }
}

impl Tx {
    /// Makes a delivery due now, with all its attempts before it; false when there is none.
    ///
    /// # Errors
    /// What the database says.
    pub async fn replay_delivery(&mut self, ctx: &TenantCtx, id: &DeliveryId) -> StoreResult<bool> {
        let now = self.env.now().0;
        let touched = on!(self, c => sqlx::query(REPLAY)
            .bind(ctx.tenant().as_str()).bind(id.as_str()).bind(now).execute(c).await?
            .rows_affected());
        Ok(touched == 1)
    }

    /// Makes all deliveries due now that were made since a time and have failed, for good or so
    /// far; how many there were.
    ///
    /// # Errors
    /// What the database says.
    pub async fn replay_failed_deliveries(
        &mut self,
        ctx: &TenantCtx,
        subscription: &SubscriptionId,
        since: Timestamp,
    ) -> StoreResult<u64> {
        let now = self.env.now().0;
        Ok(on!(self, c => sqlx::query(REPLAY_FAILED)
            .bind(ctx.tenant().as_str())
            .bind(subscription.as_str())
            .bind(since.0)
            .bind(now)
            .execute(c)
            .await?
            .rows_affected()))
    }

    /// Forgets deliveries that ended before a time, `limit` at most; how many there were.
    ///
    /// # Errors
    /// What the database says.
    pub async fn purge_deliveries(&mut self, before: Timestamp, limit: u32) -> StoreResult<u64> {
        Ok(on!(self, c => sqlx::query(PURGE)
            .bind(before.0).bind(i64::from(limit)).execute(c).await?.rows_affected()))
    }
}
