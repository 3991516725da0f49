//! Figures of the whole installation, for metrics. They name no tenant.

use connectus_core::Timestamp;
use sqlx::FromRow;

use crate::{
    conn::Conn,
    error::StoreResult,
    sql::{on, sql},
};

sql! {
    QUEUES = "SELECT queue, 'queued' AS status, COUNT(*) AS runs FROM runs \
              WHERE status = 'queued' GROUP BY queue \
              UNION ALL SELECT queue, 'running', COUNT(*) FROM runs \
              WHERE status = 'running' GROUP BY queue \
              UNION ALL SELECT queue, 'waiting', COUNT(*) FROM runs \
              WHERE status = 'waiting' GROUP BY queue \
              UNION ALL SELECT queue, 'quarantined', COUNT(*) FROM runs \
              WHERE status = 'quarantined' GROUP BY queue";
    CALLS = "SELECT i.provider, CAST(SUM(u.calls) AS BIGINT) AS calls, \
                    CAST(SUM(u.failures) AS BIGINT) AS failures, \
                    CAST(SUM(u.throttled) AS BIGINT) AS throttled \
             FROM api_usage u JOIN integrations i \
                  ON i.tenant_id = u.tenant_id AND i.id = u.integration_id \
             WHERE u.day = $1 GROUP BY i.provider";
}

/// What there is to count.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Runs that have not ended.
    pub queues: Vec<QueueDepth>,
    /// Calls made since midnight UTC.
    pub calls: Vec<ProviderCalls>,
}

/// Runs of one queue and status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueDepth {
    /// The queue's name.
    pub queue: String,
    /// `queued`, `running`, `waiting` or `quarantined`.
    pub status: String,
    /// How many.
    pub runs: u64,
}

/// Calls to one provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderCalls {
    /// Its name.
    pub provider: String,
    /// Calls made.
    pub calls: u64,
    /// Of those, calls that failed.
    pub failures: u64,
    /// Of those, calls refused because of limits.
    pub throttled: u64,
}

#[derive(FromRow)]
struct QueueRow {
    queue: String,
    status: String,
    runs: i64,
}

#[derive(FromRow)]
struct CallsRow {
    provider: String,
    calls: i64,
    failures: i64,
    throttled: i64,
}

impl Conn {
    /// The figures at a time.
    ///
    /// # Errors
    /// What the database says.
    pub async fn figures(&mut self, now: Timestamp) -> StoreResult<Figures> {
        let queues: Vec<QueueRow> = on!(self, c => sqlx::query_as(QUEUES).fetch_all(c).await?);
        let day = now.day();
        let calls: Vec<CallsRow> =
            on!(self, c => sqlx::query_as(CALLS).bind(&day).fetch_all(c).await?);
        let queues = queues.into_iter().map(|row| QueueDepth {
            queue: row.queue,
            status: row.status,
            runs: positive(row.runs),
        });
        let calls = calls.into_iter().map(|row| ProviderCalls {
            provider: row.provider,
            calls: positive(row.calls),
            failures: positive(row.failures),
            throttled: positive(row.throttled),
        });
        Ok(Figures { queues: queues.collect(), calls: calls.collect() })
    }
}

fn positive(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
