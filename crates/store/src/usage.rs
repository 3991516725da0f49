//! Calls made to providers, per integration and day.

use connectus_core::{IntegrationId, Page, TenantCtx, TenantId, page::Listing};
use serde::Serialize;
use sqlx::FromRow;

use crate::{
    conn::{Conn, Tx},
    error::StoreResult,
    sql::{on, sql},
};

sql! {
    // Selecting from the integration drops counts of one that was deleted meanwhile.
    ADD = "INSERT INTO api_usage (tenant_id, integration_id, day, calls, failures, throttled, \
                                  saved_calls, millis) \
           SELECT i.tenant_id, i.id, CAST($3 AS TEXT), CAST($4 AS BIGINT), CAST($5 AS BIGINT), \
                  CAST($6 AS BIGINT), CAST($7 AS BIGINT), CAST($8 AS BIGINT) \
           FROM integrations i WHERE i.tenant_id = $1 AND i.id = $2 \
           ON CONFLICT (tenant_id, integration_id, day) DO UPDATE SET \
               calls = api_usage.calls + excluded.calls, \
               failures = api_usage.failures + excluded.failures, \
               throttled = api_usage.throttled + excluded.throttled, \
               saved_calls = api_usage.saved_calls + excluded.saved_calls, \
               millis = api_usage.millis + excluded.millis";
    USED = "UPDATE api_usage SET used = $4 \
            WHERE tenant_id = $1 AND integration_id = $2 AND day = $3";
    ALLOWED = "UPDATE integrations SET api_calls_limit = $3 \
               WHERE tenant_id = $1 AND id = $2 AND api_calls_limit <> $3";
    FORGET = "UPDATE api_usage SET used = NULL \
              WHERE tenant_id = $1 AND integration_id = $2 AND used IS NOT NULL";
    LIST = "SELECT integration_id, day, calls, failures, throttled, saved_calls, millis \
            FROM api_usage WHERE tenant_id = $1 AND ($2 = '' OR integration_id = $2) \
            AND day >= $3 AND day <= $4 ORDER BY day DESC, integration_id LIMIT $5 OFFSET $6";
    TOTAL = "SELECT COUNT(*) AS days, CAST(COALESCE(SUM(calls), 0) AS BIGINT) AS calls, \
                    CAST(COALESCE(SUM(failures), 0) AS BIGINT) AS failures, \
                    CAST(COALESCE(SUM(throttled), 0) AS BIGINT) AS throttled, \
                    CAST(COALESCE(SUM(saved_calls), 0) AS BIGINT) AS saved_calls, \
                    CAST(COALESCE(SUM(millis), 0) AS BIGINT) AS millis \
             FROM api_usage WHERE tenant_id = $1 AND ($2 = '' OR integration_id = $2) \
             AND day >= $3 AND day <= $4";
}

/// Calls counted together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CallCounts {
    /// Calls made.
    pub calls: u64,
    /// Of those, calls that failed.
    pub failures: u64,
    /// Of those, calls the provider refused because of its limits.
    pub throttled: u64,
    /// Calls that did not have to be made, because only changes were asked for.
    pub saved_calls: u64,
    /// Milliseconds the calls took, together.
    pub millis: u64,
}

impl CallCounts {
    /// Adds other counts to these.
    pub fn add(&mut self, other: Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.failures = self.failures.saturating_add(other.failures);
        self.throttled = self.throttled.saturating_add(other.throttled);
        self.saved_calls = self.saved_calls.saturating_add(other.saved_calls);
        self.millis = self.millis.saturating_add(other.millis);
    }
}

/// What a provider said about its budget of calls a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayBudget {
    /// Calls allowed.
    pub allowed: u64,
    /// Calls used, by whomever.
    pub used: u64,
}

/// The calls of one integration on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageDay {
    /// The integration.
    pub integration: IntegrationId,
    /// The day in UTC, `YYYY-MM-DD`.
    pub day: String,
    /// Its calls.
    pub counts: CallCounts,
}

/// Which usage a query is about.
#[derive(Clone, Debug, Default)]
pub struct UsageFilter {
    /// Of this integration; `None`: of all.
    pub integration: Option<IntegrationId>,
    /// The first day, `YYYY-MM-DD`.
    pub from: String,
    /// The last day, `YYYY-MM-DD`.
    pub to: String,
}

#[derive(FromRow)]
struct Row {
    integration_id: String,
    day: String,
    #[sqlx(flatten)]
    counts: CountsRow,
}

#[derive(FromRow)]
struct CountsRow {
    calls: i64,
    failures: i64,
    throttled: i64,
    saved_calls: i64,
    millis: i64,
}

#[derive(FromRow)]
struct TotalRow {
    days: i64,
    #[sqlx(flatten)]
    counts: CountsRow,
}

impl From<CountsRow> for CallCounts {
    fn from(row: CountsRow) -> Self {
        let count = |value| u64::try_from(value).unwrap_or_default();
        Self {
            calls: count(row.calls),
            failures: count(row.failures),
            throttled: count(row.throttled),
            saved_calls: count(row.saved_calls),
            millis: count(row.millis),
        }
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl Tx {
    /// Adds calls to a day's counts. Counts of an integration that is gone are dropped.
    ///
    /// # Errors
    /// What the database says.
    pub async fn add_usage(
        &mut self,
        tenant: &TenantId,
        integration: &IntegrationId,
        day: &str,
        counts: CallCounts,
    ) -> StoreResult<()> {
        on!(self, c => sqlx::query(ADD)
            .bind(tenant.as_str())
            .bind(integration.as_str())
            .bind(day)
            .bind(signed(counts.calls))
            .bind(signed(counts.failures))
            .bind(signed(counts.throttled))
            .bind(signed(counts.saved_calls))
            .bind(signed(counts.millis))
            .execute(c)
            .await
            .map(drop)?);
        Ok(())
    }

    /// Keeps what the provider said about its budget: the integration's limit, and how much of it
    /// is used. For a day whose calls were added before.
    ///
    /// # Errors
    /// What the database says.
    pub async fn keep_budget(
        &mut self,
        tenant: &TenantId,
        integration: &IntegrationId,
        day: &str,
        told: DayBudget,
    ) -> StoreResult<()> {
        on!(self, c => sqlx::query(USED)
            .bind(tenant.as_str())
            .bind(integration.as_str())
            .bind(day)
            .bind(signed(told.used))
            .execute(c)
            .await
            .map(drop)?);
        on!(self, c => sqlx::query(ALLOWED)
            .bind(tenant.as_str())
            .bind(integration.as_str())
            .bind(signed(told.allowed))
            .execute(c)
            .await
            .map(drop)?);
        Ok(())
    }

    /// Forgets how much of its budget a provider said was used: our own count stands again.
    ///
    /// # Errors
    /// What the database says.
    pub async fn forget_budget(
        &mut self,
        tenant: &TenantId,
        integration: &IntegrationId,
    ) -> StoreResult<()> {
        on!(self, c => sqlx::query(FORGET)
            .bind(tenant.as_str())
            .bind(integration.as_str())
            .execute(c)
            .await
            .map(drop)?);
        Ok(())
    }
}

impl Conn {
    /// Usage by day and integration, newest day first, with the sum of all days that match.
    ///
    /// # Errors
    /// What the database says.
    pub async fn usage(
        &mut self,
        ctx: &TenantCtx,
        filter: &UsageFilter,
        page: Page,
    ) -> StoreResult<(Listing<UsageDay>, CallCounts)> {
        let tenant = ctx.tenant().as_str();
        let integration =
            filter.integration.as_ref().map(IntegrationId::as_str).unwrap_or_default();
        let total: TotalRow = on!(self, c => sqlx::query_as(TOTAL)
            .bind(tenant)
            .bind(integration)
            .bind(&filter.from)
            .bind(&filter.to)
            .fetch_one(c)
            .await?);
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(LIST)
            .bind(tenant)
            .bind(integration)
            .bind(&filter.from)
            .bind(&filter.to)
            .bind(i64::from(page.limit))
            .bind(i64::try_from(page.offset).unwrap_or(i64::MAX))
            .fetch_all(c)
            .await?);
        let day = |row: Row| UsageDay {
            integration: IntegrationId::trusted(row.integration_id),
            day: row.day,
            counts: row.counts.into(),
        };
        let total_count = u64::try_from(total.days).unwrap_or_default();
        let items = rows.into_iter().map(day).collect();
        Ok((Listing { items, total_count }, total.counts.into()))
    }
}
