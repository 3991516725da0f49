//! The audit log: a hash chain per tenant, appended in the transaction of the act it records.

use connectus_core::{
    AuditId, Error, Page, Result, TenantCtx, TenantId, Timestamp,
    audit::{AuditRecord, Break, Chained, Head, Outcome, Verified, Verifier},
    canonical::Digest,
    event::EventType,
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
    // Taking the number locks the tenant's row, so that two transactions never extend one record.
    NEXT = "UPDATE tenants SET audit_seq = audit_seq + 1 WHERE id = $1 \
            RETURNING audit_seq, audit_head";
    INSERT = "INSERT INTO audit (tenant_id, seq, id, at, actor, action, target, outcome, detail, \
              previous, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    PUT_HEAD = "UPDATE tenants SET audit_head = $2 WHERE id = $1";
    HEAD = "SELECT audit_seq, audit_head FROM tenants WHERE id = $1";
    AFTER = "SELECT seq, id, at, actor, action, target, outcome, detail, previous, hash FROM audit \
             WHERE tenant_id = $1 AND seq > $2 ORDER BY seq LIMIT $3";
    PAGE = "SELECT seq, id, at, actor, action, target, outcome, detail, previous, hash FROM audit \
            WHERE tenant_id = $1 AND ($2 = '' OR actor = $2) AND ($3 = '' OR action = $3) \
            AND ($4 = '' OR target = $4) AND at >= $5 AND at < $6 \
            ORDER BY seq DESC LIMIT $7 OFFSET $8";
    COUNT = "SELECT COUNT(*) FROM audit \
             WHERE tenant_id = $1 AND ($2 = '' OR actor = $2) AND ($3 = '' OR action = $3) \
             AND ($4 = '' OR target = $4) AND at >= $5 AND at < $6";
}

/// Rows read at a time while a chain is verified.
const VERIFY_PAGE: u32 = 1000;

/// Which records of the audit log are asked for. Empty texts match everything.
#[derive(Clone, Debug)]
pub struct AuditFilter {
    /// Who acted, as recorded: `user:usr_..`.
    pub actor: String,
    /// What was done: `integration.created`.
    pub action: String,
    /// What it was done to.
    pub target: String,
    /// From this time on.
    pub from: Timestamp,
    /// Before this time.
    pub until: Timestamp,
}

impl Default for AuditFilter {
    fn default() -> Self {
        Self {
            actor: String::new(),
            action: String::new(),
            target: String::new(),
            from: Timestamp(i64::MIN),
            until: Timestamp(i64::MAX),
        }
    }
}

#[derive(FromRow)]
struct Row {
    seq: i64,
    id: String,
    at: i64,
    actor: String,
    action: String,
    target: String,
    outcome: String,
    detail: String,
    previous: String,
    hash: String,
}

impl Row {
    /// A row that someone damaged still becomes a record: one that does not verify.
    fn chained(self, tenant: &TenantId) -> Chained {
        let record = AuditRecord {
            seq: u64::try_from(self.seq).unwrap_or_default(),
            id: AuditId::trusted(self.id),
            tenant: tenant.clone(),
            at: Timestamp(self.at),
            actor: self.actor,
            action: self.action,
            target: self.target,
            outcome: self.outcome.parse().unwrap_or(Outcome::Failure),
            detail: serde_json::from_str(&self.detail).unwrap_or(Value::Null),
        };
        Chained {
            record,
            previous: Digest::parse(&self.previous).unwrap_or_default(),
            hash: Digest::parse(&self.hash).unwrap_or_default(),
        }
    }
}

impl Tx {
    /// Emits an event and records it in the audit log: the usual end of a change.
    ///
    /// # Errors
    /// What the database says.
    pub async fn happened(
        &mut self,
        ctx: &TenantCtx,
        kind: EventType,
        target: &str,
        detail: Value,
    ) -> Result<()> {
        self.emit(ctx, kind, target, detail.clone()).await?;
        self.audit(ctx, kind.name(), target, detail).await
    }

    /// Records an act that was done.
    ///
    /// # Errors
    /// What the database says.
    pub async fn audit(
        &mut self,
        ctx: &TenantCtx,
        action: &str,
        target: &str,
        detail: Value,
    ) -> Result<()> {
        // Whoever changes what others go by is on record; what they know of it is stale then.
        self.told.changed = true;
        self.audit_outcome(ctx, action, target, Outcome::Success, detail).await
    }

    /// Records an act and how it ended.
    ///
    /// # Errors
    /// What the database says.
    pub async fn audit_outcome(
        &mut self,
        ctx: &TenantCtx,
        action: &str,
        target: &str,
        outcome: Outcome,
        mut detail: Value,
    ) -> Result<()> {
        if let (Some(request), Some(facts)) = (&self.request, detail.as_object_mut()) {
            facts.insert("request_id".into(), request.id.as_str().into());
        }
        let mut head = self.conn.take_audit_seq(ctx).await?;
        let chained = head.append(AuditRecord {
            seq: head.next_seq(),
            id: self.env.id(),
            tenant: ctx.tenant().clone(),
            at: self.env.now(),
            actor: ctx.actor().label(),
            action: action.to_owned(),
            target: target.to_owned(),
            outcome,
            detail,
        });
        Ok(self.conn.append_audit(&chained).await?)
    }
}

impl Conn {
    /// Takes the next number of the chain; the head returned is the one before it.
    async fn take_audit_seq(&mut self, ctx: &TenantCtx) -> StoreResult<Head> {
        let row: Option<(i64, String)> = on!(self, c => sqlx::query_as(NEXT)
            .bind(ctx.tenant().as_str()).fetch_optional(c).await?);
        let (seq, hash) = row.ok_or_else(|| Error::not_found("tenant"))?;
        Ok(head(seq - 1, &hash))
    }

    async fn append_audit(&mut self, row: &Chained) -> StoreResult<()> {
        let Chained { record, previous, hash } = row;
        let (tenant, hash) = (record.tenant.as_str(), hash.to_string());
        let (previous, detail) = (previous.to_string(), record.detail.to_string());
        on!(self, c => sqlx::query(INSERT)
            .bind(tenant)
            .bind(i64::try_from(record.seq).unwrap_or(i64::MAX))
            .bind(record.id.as_str())
            .bind(record.at.0)
            .bind(&record.actor)
            .bind(&record.action)
            .bind(&record.target)
            .bind(record.outcome.name())
            .bind(&detail)
            .bind(&previous)
            .bind(&hash)
            .execute(c)
            .await
            .map(drop)?);
        on!(self, c => sqlx::query(PUT_HEAD).bind(tenant).bind(&hash).execute(c).await.map(drop)?);
        Ok(())
    }

    /// One page of the log, newest first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn audit_page(
        &mut self,
        ctx: &TenantCtx,
        filter: &AuditFilter,
        page: Page,
    ) -> StoreResult<Listing<Chained>> {
        let tenant = ctx.tenant().as_str();
        let (total,): (i64,) = on!(self, c => sqlx::query_as(COUNT)
            .bind(tenant)
            .bind(&filter.actor)
            .bind(&filter.action)
            .bind(&filter.target)
            .bind(filter.from.0)
            .bind(filter.until.0)
            .fetch_one(c)
            .await?);
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(PAGE)
            .bind(tenant)
            .bind(&filter.actor)
            .bind(&filter.action)
            .bind(&filter.target)
            .bind(filter.from.0)
            .bind(filter.until.0)
            .bind(i64::from(page.limit))
            .bind(i64::try_from(page.offset).unwrap_or(i64::MAX))
            .fetch_all(c)
            .await?);
        let items = rows.into_iter().map(|row| row.chained(ctx.tenant())).collect();
        Ok(Listing { items, total_count: u64::try_from(total).unwrap_or_default() })
    }

    /// Records after a position, oldest first, `limit` at most.
    ///
    /// # Errors
    /// What the database says.
    pub async fn audit_after(
        &mut self,
        ctx: &TenantCtx,
        seq: u64,
        limit: u32,
    ) -> StoreResult<Vec<Chained>> {
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(AFTER)
            .bind(ctx.tenant().as_str())
            .bind(i64::try_from(seq).unwrap_or(i64::MAX))
            .bind(i64::from(limit))
            .fetch_all(c)
            .await?);
        Ok(rows.into_iter().map(|row| row.chained(ctx.tenant())).collect())
    }

    /// The end of the tenant's chain, as the tenant's row knows it.
    ///
    /// # Errors
    /// `not_found` without such a tenant.
    pub async fn audit_head(&mut self, ctx: &TenantCtx) -> StoreResult<Head> {
        let (seq, hash): (i64, String) = on!(self, c => sqlx::query_as(HEAD)
            .bind(ctx.tenant().as_str()).fetch_one(c).await?);
        Ok(head(seq, &hash))
    }

    /// Checks the whole chain, page by page, against the head in the tenant's row.
    ///
    /// # Errors
    /// What the database says. A broken chain is an answer, not an error.
    pub async fn verify_audit(&mut self, ctx: &TenantCtx) -> StoreResult<Result<Verified, Break>> {
        // Read first: records appended meanwhile lie beyond it.
        let expected = self.audit_head(ctx).await?;
        let mut verifier = Verifier::new(ctx.tenant().clone(), Head::default(), Some(expected));
        let mut after = 0;
        loop {
            let rows = self.audit_after(ctx, after, VERIFY_PAGE).await?;
            let Some(last) = rows.last() else { return Ok(verifier.finish()) };
            after = last.record.seq;
            for row in &rows {
                if let Err(broken) = verifier.push(row) {
                    return Ok(Err(broken));
                }
            }
        }
    }
}

fn head(seq: i64, hash: &str) -> Head {
    Head {
        seq: u64::try_from(seq).unwrap_or_default(),
        hash: Digest::parse(hash).unwrap_or_default(),
    }
}
