//! The health log: problems of integrations, each counted up while it is open.

use connectus_core::{
    Error, HealthLogId, IntegrationId, Page, RunId, TenantCtx, TenantId, Timestamp,
    health::{HealthLog, Severity},
    page::Listing,
};
use sqlx::FromRow;

use crate::{
    conn::{Conn, Tx},
    error::StoreResult,
    sql::{on, sql},
};

macro_rules! columns {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            "id, integration_id, severity, operation, code, message, suggestion, run_id, ",
            "occurrences, created_at, last_at, resolved_at, resolved_by ",
            $after
        )
    };
}

sql! {
    OPEN = columns!(
        "INSERT INTO health_logs (tenant_id, id, integration_id, severity, operation, code, \
             message, suggestion, run_id, created_at, last_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10) \
         ON CONFLICT (tenant_id, (COALESCE(integration_id, '')), operation, code) \
             WHERE resolved_at IS NULL \
         DO UPDATE SET occurrences = health_logs.occurrences + 1, severity = excluded.severity, \
             message = excluded.message, suggestion = excluded.suggestion, \
             run_id = excluded.run_id, last_at = excluded.last_at RETURNING ", "");
    GET = columns!("SELECT ", "FROM health_logs WHERE tenant_id = $1 AND id = $2");
    LIST = columns!("SELECT ",
        "FROM health_logs WHERE tenant_id = $1 AND ($2 = '' OR integration_id = $2) \
         AND ($3 = '' OR severity = $3) AND ($4 = '' OR ($4 = 'open') = (resolved_at IS NULL)) \
         ORDER BY last_at DESC, id DESC LIMIT $5 OFFSET $6");
    COUNT = "SELECT COUNT(*) FROM health_logs WHERE tenant_id = $1 \
             AND ($2 = '' OR integration_id = $2) AND ($3 = '' OR severity = $3) \
             AND ($4 = '' OR ($4 = 'open') = (resolved_at IS NULL))";
    RESOLVE = columns!(
        "UPDATE health_logs SET resolved_at = $3, resolved_by = $4 \
         WHERE tenant_id = $1 AND id = $2 AND resolved_at IS NULL RETURNING ", "");
    RESOLVE_ALL = columns!(
        "UPDATE health_logs SET resolved_at = $4, resolved_by = $5 \
         WHERE tenant_id = $1 AND integration_id = $2 AND ($3 = '' OR operation = $3) \
         AND resolved_at IS NULL RETURNING ", "");
}

/// Which entries of the health log a listing shows. `None` does not filter.
#[derive(Clone, Debug, Default)]
pub struct HealthLogFilter {
    /// Of this integration.
    pub integration: Option<IntegrationId>,
    /// Of this severity.
    pub severity: Option<Severity>,
    /// `Some(true)`: open ones only; `Some(false)`: resolved ones only.
    pub open: Option<bool>,
}

#[derive(FromRow)]
struct Row {
    id: String,
    integration_id: Option<String>,
    severity: String,
    operation: String,
    code: String,
    message: String,
    suggestion: String,
    run_id: Option<String>,
    occurrences: i64,
    created_at: i64,
    last_at: i64,
    resolved_at: Option<i64>,
    resolved_by: Option<String>,
}

impl Row {
    fn log(self, tenant: &TenantId) -> StoreResult<HealthLog> {
        Ok(HealthLog {
            id: HealthLogId::trusted(self.id),
            tenant: tenant.clone(),
            integration: self.integration_id.map(IntegrationId::trusted),
            severity: severity(&self.severity)?,
            operation: self.operation,
            code: self.code,
            message: self.message,
            suggestion: self.suggestion,
            run: self.run_id.map(RunId::trusted),
            occurrences: unsigned(self.occurrences),
            created_at: Timestamp(self.created_at),
            last_at: Timestamp(self.last_at),
            resolved_at: self.resolved_at.map(Timestamp),
            resolved_by: self.resolved_by,
        })
    }
}

fn severity(text: &str) -> StoreResult<Severity> {
    text.parse().map_err(|error: Error| Error::internal(error).into())
}

fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or_default()
}

/// The three filters as the statements take them; an empty text does not filter.
fn filters(filter: &HealthLogFilter) -> (&str, &'static str, &'static str) {
    let integration = filter.integration.as_ref().map(IntegrationId::as_str).unwrap_or_default();
    let severity = filter.severity.map(Severity::name).unwrap_or_default();
    let open = match filter.open {
        None => "",
        Some(true) => "open",
        Some(false) => "resolved",
    };
    (integration, severity, open)
}

impl Tx {
    /// Enters a problem, or counts it up when the same one is open: same integration, operation
    /// and code. The answer's `occurrences` is 1 for a new entry.
    ///
    /// # Errors
    /// What the database says.
    pub async fn open_health_log(&mut self, log: &HealthLog) -> StoreResult<HealthLog> {
        let row: Row = on!(self, c => sqlx::query_as(OPEN)
            .bind(log.tenant.as_str())
            .bind(log.id.as_str())
            .bind(log.integration.as_ref().map(IntegrationId::as_str))
            .bind(log.severity.name())
            .bind(&log.operation)
            .bind(&log.code)
            .bind(&log.message)
            .bind(&log.suggestion)
            .bind(log.run.as_ref().map(RunId::as_str))
            .bind(log.last_at.0)
            .fetch_one(c)
            .await?);
        row.log(&log.tenant)
    }

    /// Resolves one entry; `None` when it is not there or resolved already.
    ///
    /// # Errors
    /// What the database says.
    pub async fn resolve_health_log(
        &mut self,
        ctx: &TenantCtx,
        id: &HealthLogId,
    ) -> StoreResult<Option<HealthLog>> {
        let (now, by) = (self.env().now().0, ctx.actor().label());
        let row: Option<Row> = on!(self, c => sqlx::query_as(RESOLVE)
            .bind(ctx.tenant().as_str())
            .bind(id.as_str())
            .bind(now)
            .bind(&by)
            .fetch_optional(c)
            .await?);
        row.map(|row| row.log(ctx.tenant())).transpose()
    }

    /// Resolves the open entries of an integration, of one operation or of all.
    ///
    /// # Errors
    /// What the database says.
    pub async fn resolve_health_logs(
        &mut self,
        ctx: &TenantCtx,
        integration: &IntegrationId,
        operation: Option<&str>,
    ) -> StoreResult<Vec<HealthLog>> {
        let (now, by) = (self.env().now().0, ctx.actor().label());
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(RESOLVE_ALL)
            .bind(ctx.tenant().as_str())
            .bind(integration.as_str())
            .bind(operation.unwrap_or_default())
            .bind(now)
            .bind(&by)
            .fetch_all(c)
            .await?);
        rows.into_iter().map(|row| row.log(ctx.tenant())).collect()
    }
}

impl Conn {
    /// An entry of the health log.
    ///
    /// # Errors
    /// What the database says.
    pub async fn health_log(
        &mut self,
        ctx: &TenantCtx,
        id: &HealthLogId,
    ) -> StoreResult<Option<HealthLog>> {
        let row: Option<Row> = on!(self, c => sqlx::query_as(GET)
            .bind(ctx.tenant().as_str()).bind(id.as_str()).fetch_optional(c).await?);
        row.map(|row| row.log(ctx.tenant())).transpose()
    }

    /// A page of the health log, newest first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn health_logs(
        &mut self,
        ctx: &TenantCtx,
        filter: &HealthLogFilter,
        page: Page,
    ) -> StoreResult<Listing<HealthLog>> {
        let tenant = ctx.tenant().as_str();
        let (integration, severity, open) = filters(filter);
        let (total,): (i64,) = on!(self, c => sqlx::query_as(COUNT)
            .bind(tenant).bind(integration).bind(severity).bind(open).fetch_one(c).await?);
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(LIST)
            .bind(tenant)
            .bind(integration)
            .bind(severity)
            .bind(open)
            .bind(i64::from(page.limit))
            .bind(i64::try_from(page.offset).unwrap_or(i64::MAX))
            .fetch_all(c)
            .await?);
        let items: StoreResult<_> = rows.into_iter().map(|row| row.log(ctx.tenant())).collect();
        Ok(Listing { items: items?, total_count: unsigned(total) })
    }
}
