//! The figures a health score is computed from, for one integration or all, in four statements.

use std::collections::BTreeMap;

use connectus_core::{
    Error, IntegrationId, TenantCtx, Timestamp,
    health::{Inputs, Severity},
};

use sqlx::FromRow;

use crate::{
    conn::Conn,
    error::StoreResult,
    sql::{on, sql},
};

sql! {
    SUBJECTS = "SELECT i.id, i.name, i.provider, i.status, i.api_calls_limit, \
                    COALESCE(u.used, u.calls, 0) AS today \
                FROM integrations i LEFT JOIN api_usage u ON u.tenant_id = i.tenant_id \
                    AND u.integration_id = i.id AND u.day = $3 \
                WHERE i.tenant_id = $1 AND ($2 = '' OR i.id = $2)";
    RUNS = "SELECT s.integration_id, r.status, COUNT(*) AS n FROM runs r JOIN \
                (SELECT id, integration_id FROM data_flows WHERE tenant_id = $1 \
                 UNION ALL SELECT id, integration_id FROM workflows \
                 WHERE tenant_id = $1 AND integration_id IS NOT NULL) s ON s.id = r.subject_id \
            WHERE r.tenant_id = $1 AND ($2 = '' OR s.integration_id = $2) \
            AND r.created_at >= $3 AND r.status IN ('completed', 'failed') \
            GROUP BY s.integration_id, r.status";
    CALLS = "SELECT integration_id, CAST(SUM(calls) AS BIGINT) AS n FROM api_usage \
             WHERE tenant_id = $1 AND ($2 = '' OR integration_id = $2) AND day >= $3 \
             GROUP BY integration_id";
    PROBLEMS = "SELECT integration_id, severity, \
                    CAST(SUM(CASE WHEN last_at >= $3 THEN occurrences ELSE 0 END) AS BIGINT) AS n, \
                    CAST(SUM(CASE WHEN resolved_at IS NULL THEN 1 ELSE 0 END) AS BIGINT) AS open \
                FROM health_logs WHERE tenant_id = $1 AND integration_id IS NOT NULL \
                AND ($2 = '' OR integration_id = $2) AND (last_at >= $3 OR resolved_at IS NULL) \
                GROUP BY integration_id, severity";
}

/// What a score of one integration is computed from, with the problems still open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthFigures {
    /// The integration.
    pub integration: IntegrationId,
    /// Its name.
    pub name: String,
    /// Its provider.
    pub provider: String,
    /// The stable word of where it stands.
    pub status: String,
    /// The inputs of the formula.
    pub inputs: Inputs,
    /// Problems nobody resolved yet, of any severity.
    pub open_problems: u64,
}

#[derive(FromRow)]
struct Subject {
    id: String,
    name: String,
    provider: String,
    status: String,
    api_calls_limit: i64,
    today: i64,
}

impl From<Subject> for HealthFigures {
    fn from(row: Subject) -> Self {
        let inputs = Inputs {
            api_calls_limit: unsigned(row.api_calls_limit),
            api_calls_today: unsigned(row.today),
            ..Inputs::default()
        };
        Self {
            integration: IntegrationId::trusted(row.id),
            name: row.name,
            provider: row.provider,
            status: row.status,
            inputs,
            open_problems: 0,
        }
    }
}

fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or_default()
}

impl Conn {
    /// The figures behind the health scores of all integrations, or of one. Runs, calls and
    /// problems count from `since`; today's calls are those of the day of `now`.
    ///
    /// # Errors
    /// What the database says.
    pub async fn health_figures(
        &mut self,
        ctx: &TenantCtx,
        only: Option<&IntegrationId>,
        since: Timestamp,
        now: Timestamp,
    ) -> StoreResult<Vec<HealthFigures>> {
        let tenant = ctx.tenant().as_str();
        let only = only.map(IntegrationId::as_str).unwrap_or_default();
        let today = now.day();
        let subjects: Vec<Subject> = on!(self, c => sqlx::query_as(SUBJECTS)
            .bind(tenant).bind(only).bind(&today).fetch_all(c).await?);
        let mut figures: BTreeMap<String, HealthFigures> =
            subjects.into_iter().map(|row| (row.id.clone(), row.into())).collect();
        self.count_runs(tenant, only, since, &mut figures).await?;
        self.count_problems(tenant, only, since, &mut figures).await?;
        Ok(figures.into_values().collect())
    }

    async fn count_runs(
        &mut self,
        tenant: &str,
        only: &str,
        since: Timestamp,
        figures: &mut BTreeMap<String, HealthFigures>,
    ) -> StoreResult<()> {
        let runs: Vec<(String, String, i64)> = on!(self, c => sqlx::query_as(RUNS)
            .bind(tenant).bind(only).bind(since.0).fetch_all(c).await?);
        for (id, status, count) in runs {
            let Some(HealthFigures { inputs, .. }) = figures.get_mut(&id) else { continue };
            if status == "completed" {
                inputs.runs_succeeded += unsigned(count);
            } else {
                inputs.runs_failed += unsigned(count);
            }
        }
        let first_day = since.day();
        let calls: Vec<(String, i64)> = on!(self, c => sqlx::query_as(CALLS)
            .bind(tenant).bind(only).bind(&first_day).fetch_all(c).await?);
        for (id, count) in calls {
            if let Some(found) = figures.get_mut(&id) {
                found.inputs.calls = unsigned(count);
            }
        }
        Ok(())
    }

    async fn count_problems(
        &mut self,
        tenant: &str,
        only: &str,
        since: Timestamp,
        figures: &mut BTreeMap<String, HealthFigures>,
    ) -> StoreResult<()> {
        let problems: Vec<(String, String, i64, i64)> = on!(self, c => sqlx::query_as(PROBLEMS)
            .bind(tenant).bind(only).bind(since.0).fetch_all(c).await?);
        for (id, name, count, open) in problems {
            let Some(found) = figures.get_mut(&id) else { continue };
            let severity: Severity = name.parse().map_err(|error: Error| Error::internal(error))?;
            found.inputs.errors.add(severity, unsigned(count));
            found.open_problems += unsigned(open);
            if severity == Severity::Critical {
                found.inputs.unresolved_critical = unsigned(open);
            }
        }
        Ok(())
    }
}
