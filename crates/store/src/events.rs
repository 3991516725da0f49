//! Events: appended in the transaction that made them true.

use connectus_core::{
    EventId, Page, Result, TenantCtx, TenantId, Timestamp,
    event::{Event, EventType},
    page::Listing,
};
use serde_json::Value;
use sqlx::FromRow;

use crate::{
    conn::{Conn, Tx},
    error::StoreResult,
    sql::{on, sql},
};

sql! {
    NEXT_SEQ = "UPDATE tenants SET event_seq = event_seq + 1 WHERE id = $1 RETURNING event_seq";
    INSERT = "INSERT INTO events (tenant_id, seq, id, type, subject, data, at) \
              VALUES ($1, $2, $3, $4, $5, $6, $7)";
    AFTER = "SELECT seq, id, type, subject, data, at FROM events \
             WHERE tenant_id = $1 AND seq > $2 ORDER BY seq LIMIT $3";
    OF_SUBJECT = "SELECT seq, id, type, subject, data, at FROM events \
                  WHERE tenant_id = $1 AND subject = $2 ORDER BY seq DESC LIMIT $3 OFFSET $4";
    COUNT_OF_SUBJECT = "SELECT COUNT(*) FROM events WHERE tenant_id = $1 AND subject = $2";
    LAST_SEQ = "SELECT event_seq FROM tenants WHERE id = $1";
}

#[derive(FromRow)]
struct Row {
    seq: i64,
    id: String,
    r#type: String,
    subject: String,
    data: String,
    at: i64,
}

impl Row {
    /// `None` for a type this version does not know.
    fn event(self, tenant: &TenantId) -> Option<Event> {
        Some(Event {
            seq: u64::try_from(self.seq).ok()?,
            id: EventId::trusted(self.id),
            tenant: tenant.clone(),
            kind: EventType::parse(&self.r#type)?,
            subject: self.subject,
            data: serde_json::from_str(&self.data).unwrap_or(Value::Null),
            at: Timestamp(self.at),
        })
    }
}

impl Tx {
    /// Appends an event; subscribers hear of it after the commit.
    ///
    /// # Errors
    /// What the database says.
    pub async fn emit(
        &mut self,
        ctx: &TenantCtx,
        kind: EventType,
        subject: impl Into<String>,
        data: Value,
    ) -> Result<()> {
        let tenant = ctx.tenant().clone();
        let mut event = Event {
            seq: 0,
            id: self.env.id(),
            tenant,
            kind,
            subject: subject.into(),
            data,
            at: self.env.now(),
        };
        event.seq = self.conn.append_event(&event).await?;
        self.emitted.push(event);
        Ok(())
    }
}

impl Conn {
    async fn append_event(&mut self, event: &Event) -> StoreResult<u64> {
        let tenant = event.tenant.as_str();
        let (seq,): (i64,) =
            on!(self, c => sqlx::query_as(NEXT_SEQ).bind(tenant).fetch_one(c).await?);
        let data = event.data.to_string();
        on!(self, c => sqlx::query(INSERT)
            .bind(tenant)
            .bind(seq)
            .bind(event.id.as_str())
            .bind(event.kind.name())
            .bind(&event.subject)
            .bind(&data)
            .bind(event.at.0)
            .execute(c)
            .await
            .map(drop)?);
        Ok(u64::try_from(seq).unwrap_or_default())
    }

    /// Events after a position, oldest first, `limit` at most.
    ///
    /// # Errors
    /// What the database says.
    pub async fn events_after(
        &mut self,
        ctx: &TenantCtx,
        after: u64,
        limit: u32,
    ) -> StoreResult<Vec<Event>> {
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(AFTER)
            .bind(ctx.tenant().as_str())
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(c)
            .await?);
        Ok(rows.into_iter().filter_map(|row| row.event(ctx.tenant())).collect())
    }

    /// Events about one object, newest first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn events_about(
        &mut self,
        ctx: &TenantCtx,
        subject: &str,
        page: Page,
    ) -> StoreResult<Listing<Event>> {
        let tenant = ctx.tenant().as_str();
        let (total,): (i64,) = on!(self, c => sqlx::query_as(COUNT_OF_SUBJECT)
            .bind(tenant).bind(subject).fetch_one(c).await?);
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(OF_SUBJECT)
            .bind(tenant)
            .bind(subject)
            .bind(i64::from(page.limit))
            .bind(i64::try_from(page.offset).unwrap_or(i64::MAX))
            .fetch_all(c)
            .await?);
        let items = rows.into_iter().filter_map(|row| row.event(ctx.tenant())).collect();
        Ok(Listing { items, total_count: u64::try_from(total).unwrap_or_default() })
    }

    /// The position of the tenant's newest event, 0 when there is none.
    ///
    /// # Errors
    /// What the database says.
    pub async fn last_event_seq(&mut self, ctx: &TenantCtx) -> StoreResult<u64> {
        let (seq,): (i64,) = on!(self, c => sqlx::query_as(LAST_SEQ)
            .bind(ctx.tenant().as_str()).fetch_one(c).await?);
        Ok(u64::try_from(seq).unwrap_or_default())
    }
}
