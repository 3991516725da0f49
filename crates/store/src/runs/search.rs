//! Finding runs: by what they are, when they were accepted, and what they say.

use std::{fmt, str::FromStr};

use connectus_core::{
    Error, Page, RunId, TenantCtx, Timestamp,
    page::Listing,
    run::{Run, RunKind, RunStatus},
};
use serde::Serialize;

use super::{Row, columns};
use crate::{
    conn::Conn,
    error::StoreResult,
    sql::{on, sql},
};

macro_rules! filter {
    () => {
        " FROM runs WHERE tenant_id = $1 \
         AND (CAST($2 AS TEXT) IS NULL OR kind = $2) \
         AND (CAST($3 AS TEXT) IS NULL OR $3 LIKE '%,' || status || ',%') \
         AND (CAST($4 AS TEXT) IS NULL OR subject_id = $4) \
         AND (CAST($5 AS TEXT) IS NULL OR trigger = $5) \
         AND created_at >= CAST($6 AS BIGINT) AND created_at < CAST($7 AS BIGINT) \
         AND (CAST($8 AS TEXT) IS NULL OR LOWER(input) LIKE LOWER($8) ESCAPE '!' \
         OR LOWER(output) LIKE LOWER($8) ESCAPE '!' OR LOWER(error) LIKE LOWER($8) ESCAPE '!') \
         AND (CAST($9 AS TEXT) IS NULL OR queue = $9) \
         AND (CAST($10 AS TEXT) IS NULL OR ($10 = 'stoppable' AND NOT cancel_requested \
         AND status IN ('queued', 'running', 'waiting', 'quarantined')) \
         OR ($10 = 'quarantined' AND status = 'quarantined') OR ($10 = 'dead_letters' \
         AND status = 'failed' AND parent_run_id IS NULL \
         AND NOT EXISTS (SELECT 1 FROM runs AS later WHERE later.tenant_id = runs.tenant_id \
         AND later.origin_run_id = runs.id) \
         AND NOT (kind = 'sync' AND EXISTS (SELECT 1 FROM runs AS later \
         WHERE later.tenant_id = runs.tenant_id AND later.subject_id = runs.subject_id \
         AND later.created_at >= runs.created_at AND later.id <> runs.id))))"
    };
}

sql! {
    LIST = concat!(
        "SELECT ", columns!(), filter!(),
        " AND (CAST($11 AS BIGINT) IS NULL OR created_at < $11 OR (created_at = $11 AND id < $12)) \
         ORDER BY created_at DESC, id DESC LIMIT $13 OFFSET $14");
    COUNT = concat!("SELECT COUNT(*)", filter!());
}

/// Runs of which something can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Only {
    /// Those that can be asked to stop: open, and not asked yet.
    Stoppable,
    /// Those that failed for good and that nothing has made up for: no other run repeats them, and
    /// no run waited for them. A later sync of the same data flow makes up for a sync.
    DeadLetters,
    /// Those that are set apart.
    Quarantined,
}

/// Which runs are wanted. What is not given does not matter.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RunFilter {
    /// Only this kind.
    pub kind: Option<RunKind>,
    /// Only these statuses; any when empty.
    pub status: Vec<RunStatus>,
    /// Only runs of this workflow or data flow.
    pub subject_id: Option<String>,
    /// Only runs that this started: `manual`, `webhook`, ...
    pub trigger: Option<String>,
    /// Accepted at this time or later.
    pub from: Option<Timestamp>,
    /// Accepted before this time.
    pub until: Option<Timestamp>,
    /// Only runs whose input, output or error holds this text. The case of letters from A to Z does
    /// not matter, and no character has a meaning of its own.
    pub text: Option<String>,
    /// Only runs of this queue.
    pub queue: Option<String>,
    /// Only runs of which this can be said.
    pub only: Option<Only>,
}

/// A place in the order of runs, newest first. It stays where it is whatever is added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    created_at: Timestamp,
    id: RunId,
}

/// A part of a listing of runs.
#[derive(Clone, Debug)]
pub struct RunPage {
    /// The runs, and how many match in all.
    pub listing: Listing<Run>,
    /// Where the next part begins; `None` when this was the last.
    pub next: Option<Cursor>,
}

impl Cursor {
    /// The place behind a run.
    pub fn after(run: &Run) -> Self {
        Self { created_at: run.created_at, id: run.id.clone() }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.created_at.0, self.id)
    }
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parts = text.split_once('.');
        let parts = parts.and_then(|(at, id)| Some((at.parse().ok()?, RunId::parse(id)?)));
        let (at, id) = parts.ok_or_else(|| {
            Error::invalid("after", "must be the `next` of an earlier page, as it came")
        })?;
        Ok(Self { created_at: Timestamp(at), id })
    }
}

impl Only {
    const fn name(self) -> &'static str {
        match self {
            Self::Stoppable => "stoppable",
            Self::DeadLetters => "dead_letters",
            Self::Quarantined => "quarantined",
        }
    }
}

impl RunFilter {
    fn statuses(&self) -> Option<String> {
        let names: Vec<&str> = self.status.iter().map(|status| status.name()).collect();
        (!names.is_empty()).then(|| format!(",{},", names.join(",")))
    }

    /// The pattern that finds the text within stored JSON.
    fn pattern(&self) -> Option<String> {
        let text = serde_json::Value::from(self.text.as_deref()?).to_string();
        let inside = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        let mut pattern = String::from("%");
        for c in inside.unwrap_or(&text).chars() {
            if matches!(c, '!' | '%' | '_') {
                pattern.push('!');
            }
            pattern.push(c);
        }
        pattern.push('%');
        Some(pattern)
    }
}

macro_rules! filtered {
    ($statement:expr, $ctx:expr, $filter:expr) => {
        sqlx::query_as($statement)
            .bind($ctx.tenant().as_str())
            .bind($filter.kind.map(RunKind::name))
            .bind($filter.statuses())
            .bind($filter.subject_id.as_deref())
            .bind($filter.trigger.as_deref())
            .bind($filter.from.map_or(i64::MIN, |at| at.0))
            .bind($filter.until.map_or(i64::MAX, |at| at.0))
            .bind($filter.pattern())
            .bind($filter.queue.as_deref())
            .bind($filter.only.map(Only::name))
    };
}

impl Conn {
    /// Runs that match, newest first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn runs(
        &mut self,
        ctx: &TenantCtx,
        filter: &RunFilter,
        page: Page,
    ) -> StoreResult<Listing<Run>> {
        Ok(self.runs_after(ctx, filter, None, page).await?.listing)
    }

    /// How many runs match.
    ///
    /// # Errors
    /// What the database says.
    pub async fn runs_matching(&mut self, ctx: &TenantCtx, filter: &RunFilter) -> StoreResult<u64> {
        let (total,): (i64,) = on!(self, c => filtered!(COUNT, ctx, filter).fetch_one(c).await?);
        Ok(u64::try_from(total).unwrap_or_default())
    }

    /// Runs that match, newest first, those behind a place only. Paging by the place of the last
    /// run seen neither shows a run twice nor leaves one out when others come in meanwhile.
    ///
    /// # Errors
    /// What the database says.
    pub async fn runs_after(
        &mut self,
        ctx: &TenantCtx,
        filter: &RunFilter,
        after: Option<&Cursor>,
        page: Page,
    ) -> StoreResult<RunPage> {
        let total_count = self.runs_matching(ctx, filter).await?;
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        // One more than wanted tells whether there is a next part.
        let rows: Vec<Row> = on!(self, c => filtered!(LIST, ctx, filter)
            .bind(after.map(|after| after.created_at.0))
            .bind(after.map_or("", |after| after.id.as_str()))
            .bind(i64::from(page.limit) + 1)
            .bind(i64::try_from(page.offset).unwrap_or(i64::MAX))
            .fetch_all(c)
            .await?);
        let more = rows.len() > limit;
        let items: Vec<Run> =
            rows.into_iter().take(limit).map(Row::run).collect::<StoreResult<_>>()?;
        let next = if more { items.last().map(Cursor::after) } else { None };
        Ok(RunPage { listing: Listing { items, total_count }, next })
    }
}
