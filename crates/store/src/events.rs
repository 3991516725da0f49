//! Events: appended in the transaction that made them true.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use connectus_core::{
    Error, EventId, Result, TenantCtx, TenantId, Timestamp,
    event::{Detail, Event, EventType},
};
use serde_json::Value;
use sqlx::FromRow;

use crate::{
    conn::{Conn, Tx},
    error::StoreResult,
    rows::Cell,
    sql::{on, rows, sql},
};

sql! {
    AFTER = "SELECT seq, entries, id, type, subject, data, at FROM events \
             WHERE tenant_id = $1 AND seq > $2 ORDER BY seq LIMIT $3";
    TOLD_WITH = "SELECT data FROM events WHERE tenant_id = $1 AND subject = $2 \
                 AND type IN ('collection.records.changed', 'workflow.notified') \
                 AND data LIKE $3 ORDER BY seq DESC LIMIT 10";
    LAST_SEQ = "SELECT event_seq FROM tenants WHERE id = $1";
}

rows! {
    ADVANCE = "UPDATE tenants SET event_seq = event_seq + v.column2 FROM (", "ti", ") AS v \
               WHERE id = v.column1 RETURNING id, event_seq";
    INSERT = "INSERT INTO events (tenant_id, seq, entries, id, type, subject, data, at) ",
             "tiitttti", "";
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
    pub data: Detail,
}

/// Whether both are told of one run, so that they share a row.
fn share(one: &Event, other: &Event) -> bool {
    let of_run = |event: &Event| event.kind.family() == "run";
    one.subject == other.subject && one.tenant == other.tenant && of_run(one) && of_run(other)
}

/// Events that were told at once of one subject: a line each in `id`, `type` and `data`. It lies
/// where the last of them does.
#[derive(FromRow)]
struct Row {
    seq: i64,
    entries: i64,
    id: String,
    r#type: String,
    subject: String,
    data: String,
    at: i64,
}

impl Row {
    /// Its events, in their order, behind a position; `None` instead of one whose type this version
    /// does not know.
    fn events(&self, tenant: &TenantId, after: u64) -> Vec<(u64, Option<Event>)> {
        let lines = self.id.lines().zip(self.r#type.lines()).zip(self.data.lines());
        let first = self.seq - self.entries + 1;
        let event = |(seq, ((id, kind), data)): (u64, ((&str, &str), &str))| {
            let event = EventType::parse(kind).map(|kind| Event {
                seq,
                id: EventId::trusted(id),
                tenant: tenant.clone(),
                kind,
                subject: self.subject.clone(),
                data: Detail::stored(data.to_owned()),
                at: Timestamp(self.at),
            });
            (seq, event)
        };
        let numbered = (u64::try_from(first).unwrap_or_default()..).zip(lines).map(event);
        numbered.filter(|(seq, _)| *seq > after).collect()
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
        data: impl Into<Detail>,
    ) -> Result<()> {
        let (tenant, subject, data) = (ctx.tenant().clone(), subject.into(), data.into());
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
        let mut cells = Vec::with_capacity(events.len() * 8);
        for told in events.chunk_by(share) {
            let Some(last) = told.last() else { continue };
            let lines = |of: fn(&Event) -> &str| match told {
                [only] => Cell::Text(of(only)),
                all => Cell::Owned(all.iter().map(of).collect::<Vec<_>>().join("\n")),
            };
            cells.extend([
                Cell::Text(last.tenant.as_str()),
                Cell::Int(i64::try_from(last.seq).unwrap_or(i64::MAX)),
                Cell::Int(i64::try_from(told.len()).unwrap_or(i64::MAX)),
                lines(|event| event.id.as_str()),
                lines(|event| event.kind.name()),
                Cell::Text(&last.subject),
                lines(|event| event.data.text()),
                Cell::Int(last.at.0),
            ]);
        }
        self.with_rows(&INSERT, &cells).await
    }

    /// What the newest event about a subject says whose `member` is this text: of changes of
    /// records, and of what workflows tell. For those who ask rarely: it looks at all of them.
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
        let from = i64::try_from(after).unwrap_or(i64::MAX);
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(AFTER)
            .bind(ctx.tenant().as_str())
            .bind(from)
            .bind(i64::from(limit))
            .fetch_all(c)
            .await?);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let found = rows.iter().flat_map(|row| row.events(ctx.tenant(), after)).take(limit);
        let (mut events, mut last) = (Vec::new(), None);
        for (seq, event) in found {
            last = Some(seq);
            events.extend(event);
        }
        Ok(last.map(|last| (events, last)))
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
