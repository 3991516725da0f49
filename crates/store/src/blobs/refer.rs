//! Rows that refer to blobs: what a transaction parks, and what it says of it.

use std::collections::HashSet;

use connectus_core::{
    Code, Error, Parked, Payload, RunId, TenantCtx, TenantId, payload::BlobName, workflow::Entry,
};

use super::Blobs;
use crate::{
    conn::{Conn, Tx},
    error::{StoreError, StoreResult},
    rows::Cell,
    runs::Accepted,
    sql::{on, rows, sql},
};

sql! {
    TAKE_OVER = "INSERT INTO run_blobs (tenant_id, run_id, blob, part) \
                 SELECT tenant_id, $3, blob, part FROM run_blobs \
                 WHERE tenant_id = $1 AND run_id = $2 AND part = 'generation' \
                 ON CONFLICT (tenant_id, run_id, blob, part) DO NOTHING";
    LET_GO = "DELETE FROM run_blobs WHERE tenant_id = $1 AND run_id = $2 \
              AND (part = 'generation' OR (part = 'signal' AND NOT EXISTS (\
              SELECT 1 FROM run_signals s WHERE s.tenant_id = $1 AND s.run_id = $2)))";
    OF_RUN = "SELECT b.bytes FROM run_blobs r JOIN blobs b \
              ON b.tenant_id = r.tenant_id AND b.blob = r.blob \
              WHERE r.tenant_id = $1 AND r.run_id = $2 AND r.blob = $3 LIMIT 1";
    NEEDED = "SELECT blob FROM run_blobs WHERE tenant_id = $1 AND blob = $2 LIMIT 1";
    FORGET = "DELETE FROM blobs WHERE tenant_id = $1 AND blob = $2 AND NOT EXISTS (\
              SELECT 1 FROM run_blobs r WHERE r.tenant_id = $1 AND r.blob = $2)";
    STANDS = "SELECT blob FROM blobs WHERE tenant_id = $1 AND blob = $2";
    TOTALS = "SELECT COUNT(*), CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM blobs";
    NEWEST = "SELECT blob FROM blobs WHERE tenant_id = $1 ORDER BY blob DESC LIMIT $2";
}

rows! {
    KEEP = "INSERT INTO blobs (tenant_id, blob, bytes, created_at) ", "ttii",
           " ON CONFLICT (tenant_id, blob) DO NOTHING";
    REFER = "INSERT INTO run_blobs (tenant_id, run_id, blob, part) ", "tttt",
            " ON CONFLICT (tenant_id, run_id, blob, part) DO NOTHING";
}

/// How long a run needs a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// As long as there is the run: its input and output.
    Run,
    /// Until it starts over and has read all its signals.
    Signal,
    /// Until it starts over: its journal and steps.
    Generation,
}

impl Part {
    const fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Signal => "signal",
            Self::Generation => "generation",
        }
    }
}

/// What a transaction refers to; written with its last statements.
#[derive(Default)]
pub(crate) struct Referring {
    /// Blobs written for it.
    written: Vec<(TenantId, Parked)>,
    /// Who refers to which.
    by: Vec<(TenantId, RunId, BlobName, Part)>,
}

impl Referring {
    /// Drops what is said of runs that were not accepted, and notes what accepted ones refer to
    /// that was parked before.
    pub fn keep_of(&mut self, runs: &[Accepted<'_>], accepted: &HashSet<RunId>) {
        for Accepted { run, .. } in runs {
            if !accepted.contains(&run.id) {
                self.by.retain(|(_, other, ..)| *other != run.id);
                continue;
            }
            let parked = run.input.parked().into_iter();
            for parked in parked.chain(run.output.as_ref().and_then(Payload::parked)) {
                let name = parked.blob.clone();
                self.by.push((run.tenant.clone(), run.id.clone(), name, Part::Run));
            }
        }
    }
}

/// How many blobs there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlobTotals {
    /// Their number.
    pub blobs: u64,
    /// Their bytes together.
    pub bytes: u64,
}

/// What was to be taken over from another run was forgotten with that run.
fn gone() -> StoreError {
    let detail = "The large values of the run were forgotten meanwhile: it is too old to repeat.";
    Error::new(Code::Conflict, detail).into()
}

impl Tx {
    /// Whether a text is too long for a row.
    fn is_too_long(&self, text: &str) -> bool {
        self.blobs.as_ref().is_some_and(|blobs| text.len() > blobs.threshold())
    }

    /// Parks a text that belongs to a run: what is to be stored in its place.
    async fn parked(
        &mut self,
        tenant: &TenantId,
        run: &RunId,
        part: Part,
        text: &str,
    ) -> StoreResult<Parked> {
        let blobs: Blobs = self.blobs.clone().unwrap_or_default();
        let parked = blobs.put_within(&self.env, tenant, text).await?;
        self.referring.written.push((tenant.clone(), parked.clone()));
        self.refer(tenant, run, part, &parked);
        Ok(parked)
    }

    /// Notes that a run refers to a blob that is there already.
    pub(crate) fn refer(&mut self, tenant: &TenantId, run: &RunId, part: Part, to: &Parked) {
        self.referring.by.push((tenant.clone(), run.clone(), to.blob.clone(), part));
    }

    /// A text that belongs to a run as it is to be stored: a short one as it is.
    pub(crate) async fn fitting(
        &mut self,
        tenant: &TenantId,
        run: &RunId,
        part: Part,
        text: String,
    ) -> StoreResult<String> {
        if !self.is_too_long(&text) {
            return Ok(text);
        }
        Ok(self.parked(tenant, run, part, &text).await?.stored())
    }

    /// A journal line as it is to be stored: one that is too long without its payload.
    pub(crate) async fn fitting_line(
        &mut self,
        tenant: &TenantId,
        run: &RunId,
        line: &str,
    ) -> StoreResult<Option<String>> {
        let payload = Entry::payload(line).filter(|payload| self.is_too_long(payload));
        let Some(payload) = payload else { return Ok(None) };
        let parked = self.parked(tenant, run, Part::Generation, payload).await?;
        Ok(Entry::park(line, &parked))
    }

    /// Whether a journal line may have to be stored without its payload.
    pub(crate) fn is_long_line(&self, line: &str) -> bool {
        self.is_too_long(line)
    }

    /// Parks the payloads among cells that are too long for a row. Each row has so many cells; its
    /// first names the tenant, its second the run.
    pub(crate) async fn park(
        &mut self,
        cells: &mut [Cell<'_>],
        width: usize,
        part: Part,
    ) -> StoreResult<()> {
        for row in cells.chunks_mut(width) {
            let (Some(Cell::Text(tenant)), Some(Cell::Text(run))) = (row.first(), row.get(1))
            else {
                continue;
            };
            let (tenant, run) = (*tenant, *run);
            for cell in row {
                if let Cell::Payload(text) = cell
                    && self.is_too_long(text)
                {
                    let (tenant, run) = (TenantId::trusted(tenant), RunId::trusted(run));
                    *text = self.parked(&tenant, &run, part, text).await?.stored();
                }
            }
        }
        Ok(())
    }

    /// Writes down what this transaction refers to. Always in one order, since other transactions
    /// may write the same blobs down.
    pub(crate) async fn write_references(&mut self) -> StoreResult<()> {
        if self.referring.by.is_empty() {
            return Ok(());
        }
        let Referring { mut written, mut by } = std::mem::take(&mut self.referring);
        let now = self.env.now().0;
        written.sort();
        written.dedup();
        by.sort();
        by.dedup();
        let blobs: Vec<Cell<'_>> = written
            .iter()
            .flat_map(|(tenant, Parked { blob, bytes })| {
                let bytes = i64::try_from(*bytes).unwrap_or(i64::MAX);
                let named = [Cell::Text(tenant.as_str()), Cell::Text(blob.as_str())];
                named.into_iter().chain([Cell::Int(bytes), Cell::Int(now)])
            })
            .collect();
        let by: Vec<Cell<'_>> = by
            .iter()
            .flat_map(|(tenant, run, blob, part)| {
                [tenant.as_str(), run.as_str(), blob.as_str(), part.name()].map(Cell::Text)
            })
            .collect();
        self.with_rows(&KEEP, &blobs).await?;
        let referred = self.with_rows(&REFER, &by).await;
        referred.map_err(|error| if error.is_foreign_key_violation() { gone() } else { error })
    }

    /// A run lets go of what its present generation refers to, and of its signals once it has read
    /// them all.
    pub(crate) async fn let_blobs_go(&mut self, ctx: &TenantCtx, run: &RunId) -> StoreResult<()> {
        on!(self, c => sqlx::query(LET_GO)
            .bind(ctx.tenant().as_str()).bind(run.as_str()).execute(c).await.map(drop)?);
        Ok(())
    }

    /// A run refers to what the present generation of another one does.
    pub(crate) async fn take_over_blobs(
        &mut self,
        ctx: &TenantCtx,
        from: &RunId,
        to: &RunId,
    ) -> StoreResult<()> {
        on!(self, c => sqlx::query(TAKE_OVER)
            .bind(ctx.tenant().as_str()).bind(from.as_str()).bind(to.as_str())
            .execute(c).await.map(drop)?);
        Ok(())
    }

    /// Forgets a blob that no run refers to. False when one does, or when it was not known.
    pub(super) async fn forget_blob(
        &mut self,
        tenant: &TenantId,
        blob: &BlobName,
    ) -> StoreResult<bool> {
        on!(self, c => sqlx::query(FORGET)
            .bind(tenant.as_str()).bind(blob.as_str()).execute(c).await.map(drop)?);
        let left: Option<(String,)> = on!(self, c => sqlx::query_as(STANDS)
            .bind(tenant.as_str()).bind(blob.as_str()).fetch_optional(c).await?);
        Ok(left.is_none())
    }
}

impl Conn {
    /// A reference to a blob that a run refers to; `None` when it does not.
    ///
    /// # Errors
    /// What the database says.
    pub async fn blob_of_run(
        &mut self,
        ctx: &TenantCtx,
        run: &RunId,
        blob: &BlobName,
    ) -> StoreResult<Option<Parked>> {
        let row: Option<(i64,)> = on!(self, c => sqlx::query_as(OF_RUN)
            .bind(ctx.tenant().as_str()).bind(run.as_str()).bind(blob.as_str())
            .fetch_optional(c).await?);
        Ok(row.map(|(bytes,)| Parked {
            blob: blob.clone(),
            bytes: u64::try_from(bytes).unwrap_or_default(),
        }))
    }

    /// Whether any run refers to a blob.
    pub(super) async fn is_blob_needed(
        &mut self,
        tenant: &TenantId,
        blob: &BlobName,
    ) -> StoreResult<bool> {
        let row: Option<(String,)> = on!(self, c => sqlx::query_as(NEEDED)
            .bind(tenant.as_str()).bind(blob.as_str()).fetch_optional(c).await?);
        Ok(row.is_some())
    }

    /// How many blobs rows know of.
    ///
    /// # Errors
    /// What the database says.
    pub async fn blob_totals(&mut self) -> StoreResult<BlobTotals> {
        let (blobs, bytes): (i64, i64) = on!(self, c => sqlx::query_as(TOTALS).fetch_one(c).await?);
        let number = |number: i64| u64::try_from(number).unwrap_or_default();
        Ok(BlobTotals { blobs: number(blobs), bytes: number(bytes) })
    }

    /// The newest blobs of a tenant, `limit` at most.
    ///
    /// # Errors
    /// What the database says.
    pub async fn newest_blobs(
        &mut self,
        tenant: &TenantId,
        limit: u32,
    ) -> StoreResult<Vec<BlobName>> {
        let rows: Vec<(String,)> = on!(self, c => sqlx::query_as(NEWEST)
            .bind(tenant.as_str()).bind(i64::from(limit)).fetch_all(c).await?);
        Ok(rows.into_iter().map(|(blob,)| blob.parse()).collect::<Result<_, _>>()?)
    }
}
