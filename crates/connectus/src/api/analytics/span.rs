//! Which days are asked for, and the sums of them.

use connectus_core::{
    Code, Error, Result, TenantCtx, Timestamp,
    analytics::{Place, Projection, Sum},
};
use connectus_engine::bus::analytics::handler_of;
use connectus_store::analytics::Span;

use crate::app::App;

/// Days shown when the caller names none.
const DEFAULT_DAYS: i64 = 30;
/// Days at most.
const MAX_DAYS: i64 = 400;
/// Sums read for one answer at most.
const MAX_SUMS: u32 = 100_000;
const SECS_PER_DAY: i64 = 24 * 60 * 60;

/// The sums of some days.
pub struct Found {
    /// The first day.
    pub from: String,
    /// The last day.
    pub to: String,
    /// In the order of day, subject and label.
    pub sums: Vec<(Place, Sum)>,
    /// Events that are not counted yet.
    pub behind: u64,
}

/// Reads the sums that a caller asks for.
///
/// # Errors
/// `invalid` for days that are none or too many; `too_large` for too much at once.
pub async fn read(
    app: &App,
    ctx: &TenantCtx,
    projection: &Projection,
    (from, to): (Option<&str>, Option<&str>),
    subject: Option<&str>,
) -> Result<Found> {
    let now = app.env().now();
    let to = day("to", to)?.unwrap_or(now);
    let from = day("from", from)?.unwrap_or(to.plus_secs(-(DEFAULT_DAYS - 1) * SECS_PER_DAY));
    if from > to {
        return Err(Error::invalid("from", "must not be after `to`."));
    }
    if to.secs() - from.secs() >= MAX_DAYS * SECS_PER_DAY {
        return Err(Error::invalid("from", format!("must be within {MAX_DAYS} days of `to`.")));
    }
    let (from, to) = (from.day(), to.day());
    let mut conn = app.store().read().await?;
    let newest = conn.last_event_seq(ctx).await?;
    let cursors = conn.handler_cursors(ctx).await?;
    let handler = handler_of(projection.name);
    let seq = cursors.iter().find(|at| at.handler == handler).map_or(0, |at| at.seq);
    let span = Span { projection: projection.name, from: &from, to: &to, subject };
    let sums = conn.analytics(ctx, &span, MAX_SUMS).await?;
    if sums.len() >= usize::try_from(MAX_SUMS).unwrap_or(usize::MAX) {
        let detail = "There are too many figures for one answer. Ask for fewer days, or for one \
                      workflow, data flow or type.";
        return Err(Error::new(Code::TooLarge, detail));
    }
    Ok(Found { from, to, sums, behind: newest.saturating_sub(seq) })
}

fn day(field: &str, text: Option<&str>) -> Result<Option<Timestamp>> {
    let Some(text) = text else { return Ok(None) };
    let bare = text.len() == "2026-06-12".len();
    let parsed = Timestamp::parse(text).filter(|_| bare);
    parsed.map(Some).ok_or_else(|| Error::invalid(field, "must be a day: YYYY-MM-DD."))
}
