//! The journal of a run: the order in which it learnt things. Only the engine that works on the
//! run appends to it.

use connectus_core::{RunId, TenantCtx, Timestamp};
use serde_json::Value;
use sqlx::FromRow;

use crate::{
    conn::{Conn, Tx},
    error::StoreResult,
    sql::{on, sql},
};

sql! {
    APPEND = "INSERT INTO journal (tenant_id, run_id, seq, event, at) VALUES ($1, $2, $3, $4, $5)";
    READ = "SELECT event FROM journal WHERE tenant_id = $1 AND run_id = $2 ORDER BY seq";
    PUT_TIMER = "INSERT INTO run_timers (tenant_id, run_id, timer_id, fire_at) \
                 VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (tenant_id, run_id, timer_id) DO UPDATE SET fire_at = excluded.fire_at";
    DROP_TIMER = "DELETE FROM run_timers WHERE tenant_id = $1 AND run_id = $2 AND timer_id = $3";
    TIMERS = "SELECT timer_id, fire_at FROM run_timers \
              WHERE tenant_id = $1 AND run_id = $2 ORDER BY fire_at, timer_id";
    PUT_SIGNAL = "INSERT INTO run_signals (tenant_id, run_id, id, name, value, sent_at) \
                  VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant_id, run_id, id) DO NOTHING";
    SIGNALS = "SELECT id, name, value FROM run_signals \
               WHERE tenant_id = $1 AND run_id = $2 ORDER BY sent_at, id";
    DROP_SIGNAL = "DELETE FROM run_signals WHERE tenant_id = $1 AND run_id = $2 AND id = $3";
    WAKE_RUN = "UPDATE runs SET status = 'queued', due_at = $3 \
                WHERE tenant_id = $1 AND id = $2 AND status = 'waiting'";
}

/// A signal that the run has not read yet.
#[derive(Clone, Debug)]
pub struct PendingSignal {
    /// Identifier, also its place in the order.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// What it carries.
    pub value: Value,
}

#[derive(FromRow)]
struct SignalRow {
    id: String,
    name: String,
    value: String,
}

impl Tx {
    /// Appends one entry at position `seq`, from 0.
    ///
    /// # Errors
    /// `conflict` when the position is taken, which means that two engines work on the run.
    pub async fn append_journal(
        &mut self,
        ctx: &TenantCtx,
        run: &RunId,
        seq: u64,
        event: &str,
    ) -> StoreResult<()> {
        let at = self.env.now().0;
        on!(self, c => sqlx::query(APPEND)
            .bind(ctx.tenant().as_str())
            .bind(run.as_str())
            .bind(i64::try_from(seq).unwrap_or(i64::MAX))
            .bind(event)
            .bind(at)
            .execute(c)
            .await
            .map(drop)?);
        Ok(())
    }

    /// Sets a timer of a run.
    ///
    /// # Errors
    /// What the database says.
    pub async fn put_timer(
        &mut self,
        ctx: &TenantCtx,
        run: &RunId,
        timer: &str,
        fire_at: Timestamp,
    ) -> StoreResult<()> {
        on!(self, c => sqlx::query(PUT_TIMER)
            .bind(ctx.tenant().as_str()).bind(run.as_str()).bind(timer).bind(fire_at.0)
            .execute(c).await.map(drop)?);
        Ok(())
    }

    /// Removes a timer that fired or is no longer waited for.
    ///
    /// # Errors
    /// What the database says.
    pub async fn drop_timer(
        &mut self,
        ctx: &TenantCtx,
        run: &RunId,
        timer: &str,
    ) -> StoreResult<()> {
        on!(self, c => sqlx::query(DROP_TIMER)
            .bind(ctx.tenant().as_str()).bind(run.as_str()).bind(timer)
            .execute(c).await.map(drop)?);
        Ok(())
    }

    /// Leaves a signal for a run and wakes the run if it rests.
    ///
    /// # Errors
    /// `not_found` when the run does not exist.
    pub async fn put_signal(
        &mut self,
        ctx: &TenantCtx,
        run: &RunId,
        signal: &PendingSignal,
    ) -> StoreResult<()> {
        let now = self.env.now().0;
        on!(self, c => sqlx::query(PUT_SIGNAL)
            .bind(ctx.tenant().as_str())
            .bind(run.as_str())
            .bind(&signal.id)
            .bind(&signal.name)
            .bind(signal.value.to_string())
            .bind(now)
            .execute(c)
            .await
            .map(drop)?);
        on!(self, c => sqlx::query(WAKE_RUN)
            .bind(ctx.tenant().as_str()).bind(run.as_str()).bind(now)
            .execute(c).await.map(drop)?);
        self.wake_engine();
        Ok(())
    }

    /// Removes a signal that is in the journal now.
    ///
    /// # Errors
    /// What the database says.
    pub async fn drop_signal(
        &mut self,
        ctx: &TenantCtx,
        run: &RunId,
        id: &str,
    ) -> StoreResult<()> {
        on!(self, c => sqlx::query(DROP_SIGNAL)
            .bind(ctx.tenant().as_str()).bind(run.as_str()).bind(id)
            .execute(c).await.map(drop)?);
        Ok(())
    }
}

impl Conn {
    /// The whole journal of a run, in order.
    ///
    /// # Errors
    /// What the database says.
    pub async fn journal(&mut self, ctx: &TenantCtx, run: &RunId) -> StoreResult<Vec<String>> {
        let rows: Vec<(String,)> = on!(self, c => sqlx::query_as(READ)
            .bind(ctx.tenant().as_str()).bind(run.as_str()).fetch_all(c).await?);
        Ok(rows.into_iter().map(|(event,)| event).collect())
    }

    /// The timers of a run, soonest first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn timers(
        &mut self,
        ctx: &TenantCtx,
        run: &RunId,
    ) -> StoreResult<Vec<(String, Timestamp)>> {
        let rows: Vec<(String, i64)> = on!(self, c => sqlx::query_as(TIMERS)
            .bind(ctx.tenant().as_str()).bind(run.as_str()).fetch_all(c).await?);
        Ok(rows.into_iter().map(|(id, at)| (id, Timestamp(at))).collect())
    }

    /// The signals a run has not read yet, oldest first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn signals(
        &mut self,
        ctx: &TenantCtx,
        run: &RunId,
    ) -> StoreResult<Vec<PendingSignal>> {
        let rows: Vec<SignalRow> = on!(self, c => sqlx::query_as(SIGNALS)
            .bind(ctx.tenant().as_str()).bind(run.as_str()).fetch_all(c).await?);
        rows.into_iter()
            .map(|row| {
                let value = serde_json::from_str(&row.value)?;
                Ok(PendingSignal { id: row.id, name: row.name, value })
            })
            .collect()
    }
}
