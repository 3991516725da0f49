//! Deliveries are made from the event log. A tenant's events become visible in the order of their
//! numbers, because the transaction that takes a number keeps the tenant's row until it ends: what
//! lies behind a cursor is complete.

use connectus_core::{
    DeliveryId, SubscriptionId, TenantCtx, TenantId, Timestamp,
    event::{Event, EventType},
};
use sqlx::FromRow;

use crate::{
    conn::{Conn, Tx},
    error::StoreResult,
    rows::Cell,
    sql::{on, rows, sql},
};

sql! {
    // For the loop that delivers, which serves all tenants. A subscription with a full outbox
    // waits, and its events wait in the log.
    BEHIND = "SELECT s.tenant_id, s.id, s.event_seq FROM webhook_subscriptions s \
              JOIN tenants t ON t.id = s.tenant_id \
              WHERE s.enabled = TRUE AND t.event_seq > s.event_seq AND t.status = 'active' \
              AND (SELECT COUNT(*) FROM (SELECT 1 AS one FROM webhook_deliveries d \
                   WHERE d.tenant_id = s.tenant_id AND d.subscription_id = s.id \
                   AND d.status = 'pending' LIMIT $1) p) < $1 \
              ORDER BY s.event_seq - t.event_seq, s.id LIMIT $2";
    HEADINGS = "SELECT seq, entries, type, subject FROM events \
                WHERE tenant_id = $1 AND seq > $2 ORDER BY seq LIMIT $3";
    ADVANCE = "UPDATE webhook_subscriptions SET event_seq = $3 \
               WHERE tenant_id = $1 AND id = $2 AND event_seq = $4";
}

rows! {
    INSERT = "INSERT INTO webhook_deliveries (tenant_id, id, subscription_id, event_seq, event, \
              status, due_at, created_at) ", "tttittii", "";
}

/// A subscription for which deliveries are to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behind {
    /// Whose it is.
    pub tenant: TenantId,
    /// Which one.
    pub subscription: SubscriptionId,
    /// The last event that was looked at.
    pub seq: u64,
}

/// What tells whether an event is for someone.
#[derive(Clone, Debug)]
pub struct Heading {
    /// Its position.
    pub seq: u64,
    /// Its type; `None` for one that this version does not know.
    pub kind: Option<EventType>,
    /// What it is about.
    pub subject: String,
}

/// A delivery to be made.
#[derive(Clone, Debug)]
pub struct NewDelivery {
    /// Its identifier.
    pub id: DeliveryId,
    /// Position of the event.
    pub seq: u64,
    /// Type of the event.
    pub kind: EventType,
}

#[derive(FromRow)]
struct HeadingRow {
    seq: i64,
    entries: i64,
    r#type: String,
    subject: String,
}

impl HeadingRow {
    /// Events told at once of one subject share a row, a line each.
    fn headings(&self) -> impl Iterator<Item = Heading> {
        let first = u64::try_from(self.seq - self.entries + 1).unwrap_or_default();
        (first..).zip(self.r#type.lines()).map(|(seq, kind)| Heading {
            seq,
            kind: EventType::parse(kind),
            subject: self.subject.clone(),
        })
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Conn {
    /// Subscriptions with events not looked at and fewer than `most` deliveries pending, the
    /// farthest behind first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn subscriptions_behind(
        &mut self,
        most: u32,
        limit: u32,
    ) -> StoreResult<Vec<Behind>> {
        let rows: Vec<(String, String, i64)> = on!(self, c => sqlx::query_as(BEHIND)
            .bind(i64::from(most)).bind(i64::from(limit)).fetch_all(c).await?);
        let behind = |(tenant, id, seq): (String, String, i64)| Behind {
            tenant: TenantId::trusted(tenant),
            subscription: SubscriptionId::trusted(id),
            seq: u64::try_from(seq).unwrap_or_default(),
        };
        Ok(rows.into_iter().map(behind).collect())
    }

    /// Events after a position, oldest first, without what they say.
    ///
    /// # Errors
    /// What the database says.
    pub async fn event_headings(
        &mut self,
        ctx: &TenantCtx,
        after: u64,
        limit: u32,
    ) -> StoreResult<Vec<Heading>> {
        let rows: Vec<HeadingRow> = on!(self, c => sqlx::query_as(HEADINGS)
            .bind(ctx.tenant().as_str()).bind(signed(after)).bind(i64::from(limit))
            .fetch_all(c).await?);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let headings = rows.iter().flat_map(HeadingRow::headings);
        Ok(headings.filter(|heading| heading.seq > after).take(limit).collect())
    }

    /// One event by its position.
    ///
    /// # Errors
    /// What the database says.
    pub async fn event_at(&mut self, ctx: &TenantCtx, seq: u64) -> StoreResult<Option<Event>> {
        let found = self.events_after(ctx, seq.saturating_sub(1), 1).await?;
        Ok(found.into_iter().find(|event| event.seq == seq))
    }
}

impl Tx {
    /// Makes deliveries and moves the subscription's position from `behind` to `seq`. False, and
    /// nothing is to be kept, when someone else has moved it.
    ///
    /// # Errors
    /// What the database says.
    pub async fn make_deliveries(
        &mut self,
        ctx: &TenantCtx,
        behind: &Behind,
        seq: u64,
        new: &[NewDelivery],
    ) -> StoreResult<bool> {
        let (tenant, id) = (ctx.tenant().as_str(), behind.subscription.as_str());
        let moved = on!(self, c => sqlx::query(ADVANCE)
            .bind(tenant).bind(id).bind(signed(seq)).bind(signed(behind.seq))
            .execute(c).await?.rows_affected());
        if moved == 0 {
            return Ok(false);
        }
        let Timestamp(now) = self.env.now();
        let cells: Vec<Cell<'_>> = new
            .iter()
            .flat_map(|delivery| {
                [
                    Cell::Text(tenant),
                    Cell::Text(delivery.id.as_str()),
                    Cell::Text(id),
                    Cell::Int(signed(delivery.seq)),
                    Cell::Text(delivery.kind.name()),
                    Cell::Text("pending"),
                    Cell::Int(now),
                    Cell::Int(now),
                ]
            })
            .collect();
        self.with_rows(&INSERT, &cells).await?;
        Ok(true)
    }
}
