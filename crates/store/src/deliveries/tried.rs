//! Attempts: claiming what is due, and what became of it. A claim is a lease: a delivery whose
//! attempt ends without a word - the process died - is due again when the lease is over.

use connectus_core::{
    DeliveryId, Result, SubscriptionId, TenantCtx, TenantId, Timestamp,
    delivery::{Attempt, Delivery},
};
use sqlx::FromRow;

use super::{Row, columns};
use crate::{
    conn::{Conn, Tx},
    error::StoreResult,
    sql::{on, sql},
};

macro_rules! held {
    () => {
        " WHERE tenant_id = $1 AND id = $2 AND claims = $3 AND status = 'pending'"
    };
}

macro_rules! unpaused {
    () => {
        " AND NOT EXISTS (SELECT 1 FROM queue_pauses AS p \
         WHERE p.tenant_id = s.tenant_id AND p.queue = 'delivery') \
         AND NOT EXISTS (SELECT 1 FROM installation WHERE name = 'queue_stopped:delivery')"
    };
}

sql! {
    // For the loop that delivers, which serves all tenants: one look into the index for each
    // enabled subscription.
    READY = concat!("SELECT s.tenant_id, s.id FROM webhook_subscriptions s \
             JOIN tenants t ON t.id = s.tenant_id \
             WHERE s.enabled = TRUE AND t.status = 'active'", unpaused!(), " AND EXISTS (\
                 SELECT 1 FROM webhook_deliveries d WHERE d.tenant_id = s.tenant_id \
                 AND d.subscription_id = s.id AND d.status = 'pending' AND d.due_at <= $1) \
             ORDER BY s.tenant_id, s.id");
    NEXT_DUE = concat!("SELECT MIN((SELECT MIN(d.due_at) FROM webhook_deliveries d \
                    WHERE d.tenant_id = s.tenant_id AND d.subscription_id = s.id \
                    AND d.status = 'pending' AND d.due_at > $1)) \
                FROM webhook_subscriptions s JOIN tenants t ON t.id = s.tenant_id \
                WHERE s.enabled = TRUE AND t.status = 'active'", unpaused!());
    CLAIM = concat!("UPDATE webhook_deliveries SET claims = claims + 1, due_at = $4 \
             WHERE tenant_id = $1 AND status = 'pending' AND COALESCE(due_at, 0) <= $3 \
             AND id IN (\
                 SELECT id FROM webhook_deliveries WHERE tenant_id = $1 AND subscription_id = $2 \
                 AND status = 'pending' AND due_at <= $3 \
                 ORDER BY due_at, event_seq LIMIT $5) \
             RETURNING claims, ", columns!());
    LOG = "INSERT INTO delivery_attempts (tenant_id, delivery_id, number, at, millis, status, \
               error, message, response) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    AGAIN = concat!("UPDATE webhook_deliveries SET attempts = attempts + 1, \
                     total_attempts = total_attempts + 1, due_at = $4", held!());
    ENDED = concat!("UPDATE webhook_deliveries SET attempts = attempts + 1, \
                     total_attempts = total_attempts + 1, status = $4, finished_at = $5", held!());
}

/// A subscription with deliveries that are due.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ready {
    /// Whose it is.
    pub tenant: TenantId,
    /// Which one.
    pub subscription: SubscriptionId,
}

/// The right to make one attempt of a delivery, until it is claimed anew.
#[derive(Clone, Debug)]
pub struct DeliveryClaim {
    /// The delivery, as it stood.
    pub delivery: Delivery,
    /// The how-many-eth claim of it.
    pub number: i64,
}

/// What becomes of a delivery after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver has it.
    Delivered,
    /// It is tried again then.
    Again(Timestamp),
    /// It is not tried again.
    Dead,
}

#[derive(FromRow)]
struct ClaimedRow {
    claims: i64,
    #[sqlx(flatten)]
    row: Row,
}

impl Conn {
    /// Subscriptions with deliveries that are due, in a fixed order.
    ///
    /// # Errors
    /// What the database says.
    pub async fn subscriptions_ready(&mut self, now: Timestamp) -> StoreResult<Vec<Ready>> {
        let rows: Vec<(String, String)> =
            on!(self, c => sqlx::query_as(READY).bind(now.0).fetch_all(c).await?);
        let ready = |(tenant, id): (String, String)| Ready {
            tenant: TenantId::trusted(tenant),
            subscription: SubscriptionId::trusted(id),
        };
        Ok(rows.into_iter().map(ready).collect())
    }

    /// When the next delivery is due that is not due yet.
    ///
    /// # Errors
    /// What the database says.
    pub async fn next_delivery_due(&mut self, now: Timestamp) -> StoreResult<Option<Timestamp>> {
        let (due,): (Option<i64>,) =
            on!(self, c => sqlx::query_as(NEXT_DUE).bind(now.0).fetch_one(c).await?);
        Ok(due.map(Timestamp))
    }
}

impl Tx {
    /// Claims deliveries of a subscription that are due, oldest first, until `lease` is over.
    ///
    /// # Errors
    /// What the database says.
    pub async fn claim_deliveries(
        &mut self,
        ctx: &TenantCtx,
        subscription: &SubscriptionId,
        lease: Timestamp,
        limit: usize,
    ) -> StoreResult<Vec<DeliveryClaim>> {
        let now = self.env.now().0;
        let rows: Vec<ClaimedRow> = on!(self, c => sqlx::query_as(CLAIM)
            .bind(ctx.tenant().as_str())
            .bind(subscription.as_str())
            .bind(now)
            .bind(lease.0)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(c)
            .await?);
        let claim = |row: ClaimedRow| {
            Ok(DeliveryClaim { number: row.claims, delivery: row.row.delivery()? })
        };
        let mut claims = rows.into_iter().map(claim).collect::<Result<Vec<DeliveryClaim>>>()?;
        claims.sort_by_key(|claim| claim.delivery.event_seq);
        Ok(claims)
    }

    /// Writes an attempt to the log and what becomes of the delivery. False, and nothing is
    /// written, when the claim is void.
    ///
    /// # Errors
    /// What the database says.
    pub async fn delivery_tried(
        &mut self,
        ctx: &TenantCtx,
        claim: &DeliveryClaim,
        attempt: &Attempt,
        verdict: Verdict,
    ) -> StoreResult<bool> {
        let (tenant, id, now) = (ctx.tenant().as_str(), &claim.delivery.id, self.env.now().0);
        let touched = match verdict {
            Verdict::Again(due) => on!(self, c => sqlx::query(AGAIN)
                .bind(tenant).bind(id.as_str()).bind(claim.number).bind(due.0)
                .execute(c).await?.rows_affected()),
            Verdict::Delivered | Verdict::Dead => {
                let dead = verdict == Verdict::Dead;
                let status = if dead { "dead" } else { "delivered" };
                on!(self, c => sqlx::query(ENDED)
                    .bind(tenant).bind(id.as_str()).bind(claim.number).bind(status).bind(now)
                    .execute(c).await?.rows_affected())
            }
        };
        if touched == 1 {
            self.log_attempt(ctx, id, attempt).await?;
        }
        Ok(touched == 1)
    }

    async fn log_attempt(
        &mut self,
        ctx: &TenantCtx,
        id: &DeliveryId,
        attempt: &Attempt,
    ) -> StoreResult<()> {
        on!(self, c => sqlx::query(LOG)
            .bind(ctx.tenant().as_str())
            .bind(id.as_str())
            .bind(i64::from(attempt.number))
            .bind(attempt.at.0)
            .bind(i64::try_from(attempt.millis).unwrap_or(i64::MAX))
            .bind(attempt.status.map(i64::from))
            .bind(attempt.error.as_deref())
            .bind(&attempt.message)
            .bind(&attempt.response)
            .execute(c)
            .await
            .map(drop)?);
        Ok(())
    }
}
