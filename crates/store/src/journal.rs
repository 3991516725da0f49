//! The journal of a run: the order in which it learnt things. Only the engine that works on the
//! run appends to it. What a run learns in one transaction is one row, a line for each entry.

use std::borrow::Cow;

use connectus_core::{Page, Payload, RunId, TenantCtx, page::Listing};
use serde_json::Value;
use sqlx::FromRow;

use crate::{
    blobs::Part,
    conn::{Conn, Tx},
    error::StoreResult,
    rows::Cell,
    runs::{OfRun, Standing, standing},
    sql::{on, rows, sql},
};

sql! {
    READ = "SELECT event FROM journal WHERE tenant_id = $1 AND run_id = $2 ORDER BY seq";
    PAGE = "SELECT seq, event FROM journal WHERE tenant_id = $1 AND run_id = $2 \
            AND seq + entries > $3 AND seq < $4 ORDER BY seq";
    LENGTH = "SELECT COALESCE(MAX(seq + entries), 0) FROM journal \
              WHERE tenant_id = $1 AND run_id = $2";
    // Behind all that came before, whatever the clock says; the run's row is locked by now.
    PUT_SIGNAL = "INSERT INTO run_signals (tenant_id, run_id, id, name, value, sent_at) \
                  SELECT $1, $2, $3, $4, $5, \
                  CASE WHEN COALESCE(MAX(sent_at), 0) < $6 THEN $6 ELSE MAX(sent_at) + 1 END \
                  FROM run_signals WHERE tenant_id = $1 AND run_id = $2 \
                  ON CONFLICT (tenant_id, run_id, id) DO NOTHING";
    SIGNALS = "SELECT id, name, value FROM run_signals \
               WHERE tenant_id = $1 AND run_id = $2 ORDER BY sent_at, id";
    COUNT_SIGNALS = "SELECT COUNT(*) FROM run_signals WHERE tenant_id = $1 AND run_id = $2";
    WAKE_RUN = concat!("UPDATE runs SET \
                due_at = CASE WHEN status = 'waiting' THEN $3 ELSE due_at END, \
                status = CASE WHEN status = 'waiting' THEN 'queued' ELSE status END \
                WHERE tenant_id = $1 AND id = $2 \
                AND status IN ('queued', 'running', 'waiting', 'quarantined') \
                RETURNING ", standing!());
    FORGET = "DELETE FROM journal WHERE tenant_id = $1 AND run_id = $2";
    CONTINUE = "UPDATE runs SET continued = $3 WHERE tenant_id = $1 AND id = $2";
    CONTINUED = "SELECT continued FROM runs WHERE tenant_id = $1 AND id = $2";
}

rows! {
    APPEND = "INSERT INTO journal (tenant_id, run_id, seq, entries, event, at) ", "ttiiti", "";
    DROP_READ = "DELETE FROM run_signals WHERE (tenant_id, run_id, id) IN (", "ttt", ")";
    DROP_ALL = "DELETE FROM run_signals WHERE (tenant_id, run_id) IN (", "tt", ")";
}

/// Whether an entry comes right behind another one of the same run.
fn follows(one: &OfRun<'_, (u64, &str)>, other: &OfRun<'_, (u64, &str)>) -> bool {
    one.run == other.run && one.tenant == other.tenant && one.what.0 + 1 == other.what.0
}

/// A signal that the run has not read yet.
#[derive(Clone, Debug)]
pub struct PendingSignal {
    /// Identifier: put again under the same one, it is the same signal.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// What it carries.
    pub value: Payload,
}

#[derive(FromRow)]
struct SignalRow {
    id: String,
    name: String,
    value: String,
}

impl Tx {
    /// Appends entries, each at its position in the journal of its run, from 0.
    ///
    /// # Errors
    /// `conflict` when a position is taken, which means that two engines work on the run.
    pub async fn append_journal(&mut self, entries: &[OfRun<'_, (u64, &str)>]) -> StoreResult<()> {
        let (at, mut cells) = (self.env.now().0, Vec::with_capacity(entries.len() * 6));
        for together in entries.chunk_by(follows) {
            let [first, ..] = together else { continue };
            let mut lines: Vec<Cow<'_, str>> = Vec::with_capacity(together.len());
            for OfRun { tenant, run, what: (_, line) } in together {
                let short = match self.is_long_line(line) {
                    true => self.fitting_line(tenant, run, line).await?,
                    false => None,
                };
                lines.push(short.map_or(Cow::Borrowed(*line), Cow::Owned));
            }
            cells.extend([
                Cell::Text(first.tenant.as_str()),
                Cell::Text(first.run.as_str()),
                Cell::Int(i64::try_from(first.what.0).unwrap_or(i64::MAX)),
                Cell::Int(i64::try_from(lines.len()).unwrap_or(i64::MAX)),
                Cell::Owned(lines.join("\n")),
                Cell::Int(at),
            ]);
        }
        self.with_rows(&APPEND, &cells).await
    }

    /// Begins a run's next generation: its journal is empty again, and `continued` is what a replay
    /// starts from.
    ///
    /// # Errors
    /// What the database says.
    pub async fn continue_run(
        &mut self,
        ctx: &TenantCtx,
        run: &RunId,
        continued: &Value,
    ) -> StoreResult<()> {
        let tenant = ctx.tenant().as_str();
        on!(self, c => sqlx::query(FORGET)
            .bind(tenant).bind(run.as_str()).execute(c).await.map(drop)?);
        self.let_blobs_go(ctx, run).await?;
        let continued = continued.to_string();
        let continued = self.fitting(ctx.tenant(), run, Part::Generation, continued).await?;
        on!(self, c => sqlx::query(CONTINUE)
            .bind(tenant).bind(run.as_str()).bind(&continued)
            .execute(c).await.map(drop)?);
        self.forget_steps(ctx, run).await
    }

    /// Leaves a signal for a run and wakes the run if it rests. False when the run has ended or
    /// does not exist.
    ///
    /// # Errors
    /// What the database says.
    pub async fn put_signal(
        &mut self,
        ctx: &TenantCtx,
        run: &RunId,
        signal: &PendingSignal,
    ) -> StoreResult<bool> {
        let now = self.env.now().0;
        // Before the signal, and whatever the run's status: this waits for an engine that is
        // putting the run to rest right now, which could otherwise miss the signal and be missed.
        let open: Vec<Standing> = on!(self, c => sqlx::query_as(WAKE_RUN)
            .bind(ctx.tenant().as_str()).bind(run.as_str()).bind(now)
            .fetch_all(c).await?);
        if open.is_empty() {
            return Ok(false);
        }
        let value = signal.value.stored();
        let value = self.fitting(ctx.tenant(), run, Part::Signal, value).await?;
        on!(self, c => sqlx::query(PUT_SIGNAL)
            .bind(ctx.tenant().as_str())
            .bind(run.as_str())
            .bind(&signal.id)
            .bind(&signal.name)
            .bind(&value)
            .bind(now)
            .execute(c)
            .await
            .map(drop)?);
        self.tell(open);
        Ok(true)
    }

    /// Removes the signals of runs that will read no more.
    ///
    /// # Errors
    /// What the database says.
    pub async fn drop_signals(&mut self, of: &[OfRun<'_, ()>]) -> StoreResult<()> {
        let cells: Vec<Cell<'_>> = of
            .iter()
            .flat_map(|OfRun { tenant, run, .. }| {
                [Cell::Text(tenant.as_str()), Cell::Text(run.as_str())]
            })
            .collect();
        self.with_rows(&DROP_ALL, &cells).await
    }

    /// Removes signals that are in the journal now, by identifier.
    ///
    /// # Errors
    /// What the database says.
    pub async fn drop_read_signals(&mut self, signals: &[OfRun<'_, &str>]) -> StoreResult<()> {
        let cells: Vec<Cell<'_>> = signals
            .iter()
            .flat_map(|OfRun { tenant, run, what }| {
                [Cell::Text(tenant.as_str()), Cell::Text(run.as_str()), Cell::Text(what)]
            })
            .collect();
        self.with_rows(&DROP_READ, &cells).await
    }
}

impl Conn {
    /// The whole journal of a run, in order. A line may lack its payload: [`crate::Blobs::line`]
    /// puts it back.
    ///
    /// # Errors
    /// What the database says.
    pub async fn journal(&mut self, ctx: &TenantCtx, run: &RunId) -> StoreResult<Vec<String>> {
        let rows: Vec<(String,)> = on!(self, c => sqlx::query_as(READ)
            .bind(ctx.tenant().as_str()).bind(run.as_str()).fetch_all(c).await?);
        Ok(rows.iter().flat_map(|(entries,)| entries.lines().map(str::to_owned)).collect())
    }

    /// A part of the journal of a run, in order, and how long it is: entries with their positions,
    /// from 1.
    ///
    /// # Errors
    /// What the database says.
    pub async fn journal_page(
        &mut self,
        ctx: &TenantCtx,
        run: &RunId,
        page: Page,
    ) -> StoreResult<Listing<(u64, String)>> {
        let (length,): (i64,) = on!(self, c => sqlx::query_as(LENGTH)
            .bind(ctx.tenant().as_str()).bind(run.as_str()).fetch_one(c).await?);
        let from = page.offset;
        let until = from.saturating_add(u64::from(page.limit));
        let rows: Vec<(i64, String)> = on!(self, c => sqlx::query_as(PAGE)
            .bind(ctx.tenant().as_str())
            .bind(run.as_str())
            .bind(i64::try_from(from).unwrap_or(i64::MAX))
            .bind(i64::try_from(until).unwrap_or(i64::MAX))
            .fetch_all(c)
            .await?);
        let numbered = rows.iter().flat_map(|(seq, entries)| {
            (u64::try_from(*seq).unwrap_or_default()..).zip(entries.lines())
        });
        let items = numbered
            .filter(|(seq, _)| (from..until).contains(seq))
            .map(|(seq, entry)| (seq + 1, entry.to_owned()))
            .collect();
        Ok(Listing { items, total_count: u64::try_from(length).unwrap_or_default() })
    }

    /// What the present generation of a run began with; `None` for the first one.
    ///
    /// # Errors
    /// What the database says.
    pub async fn continued(
        &mut self,
        ctx: &TenantCtx,
        run: &RunId,
    ) -> StoreResult<Option<Payload>> {
        let row: Option<(Option<String>,)> = on!(self, c => sqlx::query_as(CONTINUED)
            .bind(ctx.tenant().as_str()).bind(run.as_str()).fetch_optional(c).await?);
        let text = row.and_then(|(text,)| text);
        Ok(text.as_deref().map(Payload::read).transpose()?)
    }

    /// How many signals a run has not read yet.
    ///
    /// # Errors
    /// What the database says.
    pub async fn count_signals(&mut self, ctx: &TenantCtx, run: &RunId) -> StoreResult<u64> {
        let (count,): (i64,) = on!(self, c => sqlx::query_as(COUNT_SIGNALS)
            .bind(ctx.tenant().as_str()).bind(run.as_str()).fetch_one(c).await?);
        Ok(u64::try_from(count).unwrap_or_default())
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
                let value = Payload::read(&row.value)?;
                Ok(PendingSignal { id: row.id, name: row.name, value })
            })
            .collect()
    }
}
