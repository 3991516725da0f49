//! Events: appended in the transaction that made them true.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use connectus_core::{
    Error, EventId, Page, Result, TenantCtx, TenantId, Timestamp,
    event::{Event, EventType},
    page::Listing,
};
use serde_json::Value;
use sqlx::FromRow;

use crate::{
    conn::{Conn, Tx},
    error::StoreResult,
    rows::{Cell, json},
    sql::{on, rows, sql},
};

sql! {
    AFTER = "SELECT seq, id, type, subject, data, at FROM events \
             WHERE tenant_id = $1 AND seq > $2 ORDER BY seq LIMIT $3";
    OF_SUBJECT = "SELECT seq, id, type, subject, data, at FROM events \
                  WHERE tenant_id = $1 AND subject = $2 ORDER BY seq DESC LIMIT $3 OFFSET $4";
    COUNT_OF_SUBJECT = "SELECT COUNT(*) FROM events WHERE tenant_id = $1 AND subject = $2";
    TOLD_WITH = "SELECT data FROM events WHERE tenant_id = $1 AND subject = $2 AND data LIKE $3 \
                 ORDER BY seq DESC LIMIT 10";
    LAST_SEQ = "SELECT event_seq FROM tenants WHERE id = $1";
}

rows! {
    ADVANCE = "UPDATE tenants SET event_seq = event_seq + v.column2 FROM (", "ti", ") AS v \
               WHERE id = v.column1 RETURNING id, event_seq";
    INSERT = "INSERT INTO events (tenant_id, seq, id, type, subject, data, at) ", "titttti", "";
}

/// An event about to be appended.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// Whose event it is.
    pub tenant: TenantId,
    /// Its type.
    pub kind: EventType,
    /// What it is about.
    pub subject: String,
    /// What there is to say.
    pub data: Value,
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
        let (tenant, subject) = (ctx.tenant().clone(), subject.into());
        self.emit_all(vec![NewEvent { tenant, kind, subject, data }]).await
    }

    /// Appends events, in their order; subscribers hear of them after the commit.
    ///
    /// # Errors
    /// What the database says.
    pub async fn emit_all(&mut self, events: Vec<NewEvent>) -> Result<()> {
        let mut seqs = self.conn.advance_events(&events).await?;
        let (at, mut numbered) = (self.env.now(), Vec::with_capacity(events.len()));
        for NewEvent { tenant, kind, subject, data } in events {
            let seq = seqs.get_mut(tenant.as_str()).ok_or_else(|| Error::not_found("tenant"))?;
            *seq += 1;
            let seq = u64::try_from(*seq).unwrap_or_default();
            let id = self.env.id();
            numbered.push(Event { seq, id, tenant, kind, subject, data, at });
        }
        self.conn.append_events(&numbered).await?;
        self.emitted.extend(numbered.into_iter().map(Arc::new));
        Ok(())
    }
}

impl Conn {
    /// Makes room for events. Returns the number before the first one, by tenant.
    async fn advance_events(&mut self, events: &[NewEvent]) -> StoreResult<HashMap<String, i64>> {
        // In one order, so that two transactions never wait for each other.
        let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
        for event in events {
            *counts.entry(event.tenant.as_str()).or_default() += 1;
        }
        let cells: Vec<Cell<'_>> = counts
            .iter()
            .flat_map(|(tenant, count)| [Cell::Text(tenant), Cell::Int(*count)])
            .collect();
        let last: Vec<(String, i64)> = self.rows_returned(&ADVANCE, &cells).await?;
        let before = |(tenant, last): (String, i64)| {
            let count = counts.get(tenant.as_str()).copied().unwrap_or_default();
            (tenant, last - count)
        };
        Ok(last.into_iter().map(before).collect())
    }

    async fn append_events(&mut self, events: &[Event]) -> StoreResult<()> {
        let cells: Vec<Cell<'_>> = events
            .iter()
            .flat_map(|event| {
                [
                    Cell::Text(event.tenant.as_str()),
                    Cell::Int(i64::try_from(event.seq).unwrap_or(i64::MAX)),
                    Cell::Text(event.id.as_str()),
                    Cell::Text(event.kind.name()),
                    Cell::Text(&event.subject),
                    Cell::Owned(json(&event.data)),
                    Cell::Int(event.at.0),
                ]
            })
            .collect();
        self.with_rows(&INSERT, &cells).await
    }

    /// What the newest event about a subject says whose `member` is this text. For those who ask
    /// rarely: it looks at all events about the subject.
    ///
    /// # Errors
    /// What the database says.
    pub async fn told_with(
        &mut self,
        ctx: &TenantCtx,
        subject: &str,
        member: &str,
        text: &str,
    ) -> StoreResult<Option<Value>> {
        // A wildcard in the text finds too many at worst.
        let like = format!("%\"{member}\":{}%", Value::from(text));
        let rows: Vec<(String,)> = on!(self, c => sqlx::query_as(TOLD_WITH)
            .bind(ctx.tenant().as_str()).bind(subject).bind(&like).fetch_all(c).await?);
        let mut told = rows.iter().filter_map(|(data,)| serde_json::from_str::<Value>(data).ok());
        Ok(told.find(|data| data.get(member).is_some_and(|found| found == text)))
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
        let found = self.events_and_last(ctx, after, limit).await?;
        Ok(found.map(|(events, _)| events).unwrap_or_default())
    }

    /// Events after a position, oldest first, and the position of the last row read, whether or
    /// not this version knows its type.
    pub(crate) async fn events_and_last(
        &mut self,
        ctx: &TenantCtx,
        after: u64,
        limit: u32,
    ) -> StoreResult<Option<(Vec<Event>, u64)>> {
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(AFTER)
            .bind(ctx.tenant().as_str())
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(c)
            .await?);
        let Some(last) = rows.last().and_then(|row| u64::try_from(row.seq).ok()) else {
            return Ok(None);
        };
        let events = rows.into_iter().filter_map(|row| row.event(ctx.tenant())).collect();
        Ok(Some((events, last)))
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
