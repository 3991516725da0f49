//! The rhythms a schedule can have.

use std::{fmt, str::FromStr};

use jiff::{ToSpan as _, Zoned, civil, tz::TimeZone};

use super::{MAX_TEXT_BYTES, REAL_TIME_POLL_SECS, cron::CronPattern, unreadable};
use crate::{Error, Result, Timestamp};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Longest distance of `every ..`, in seconds.
const MAX_EVERY_SECS: i64 = 31 * DAY;

/// Local hour at which the window of `daily` and `weekly` opens; no zone changes its clock then.
const NIGHT_HOUR: i8 = 4;

/// Length of that window, in seconds.
const NIGHT_SECS: u64 = 7_200;

/// A rhythm, as written.
#[derive(Clone, Debug)]
pub(super) enum Cadence {
    RealTime,
    Hourly,
    Daily,
    Weekly,
    /// At a distance, in seconds.
    Every(i64),
    Cron(Box<CronPattern>),
}

impl Cadence {
    pub(super) fn next_after(
        &self,
        after: Timestamp,
        zone: &TimeZone,
        spread: u64,
    ) -> Option<Timestamp> {
        match self {
            Self::RealTime => every(REAL_TIME_POLL_SECS, after, spread),
            Self::Hourly => every(HOUR, after, spread),
            Self::Every(secs) => every(*secs, after, spread),
            Self::Daily => nightly(after, zone, spread, None),
            Self::Weekly => nightly(after, zone, spread, Some(civil::Weekday::Monday)),
            Self::Cron(pattern) => pattern.next_after(after, zone),
        }
    }
}

/// The next point of a grid of `secs`, shifted by the spread. Independent of any clock change.
fn every(secs: i64, after: Timestamp, spread: u64) -> Option<Timestamp> {
    let distance = secs.checked_mul(1_000_000)?;
    let shift = i64::try_from(spread % secs.unsigned_abs().max(1)).ok()? * 1_000_000;
    let steps = after.0.checked_sub(shift)?.div_euclid(distance);
    steps.checked_add(1)?.checked_mul(distance)?.checked_add(shift).map(Timestamp)
}

/// The next local night at the spread's second of the window, on one weekday or any.
fn nightly(
    after: Timestamp,
    zone: &TimeZone,
    spread: u64,
    weekday: Option<civil::Weekday>,
) -> Option<Timestamp> {
    let second = i64::try_from(spread % NIGHT_SECS).ok()?;
    let today = Zoned::new(after.to_jiff(), zone.clone()).date();
    // Yesterday first: its night can still lie ahead where a zone jumped over midnight.
    (-1..=8).find_map(|days: i64| {
        let date = today.checked_add(days.days()).ok()?;
        if weekday.is_some_and(|wanted| date.weekday() != wanted) {
            return None;
        }
        let local = date.at(NIGHT_HOUR, 0, 0, 0).checked_add(second.seconds()).ok()?;
        let at = Timestamp(local.to_zoned(zone.clone()).ok()?.timestamp().as_microsecond());
        (at > after).then_some(at)
    })
}

impl FromStr for Cadence {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let trimmed = text.trim();
        if trimmed.len() > MAX_TEXT_BYTES {
            return Err(unreadable(trimmed, ": it is too long"));
        }
        match trimmed.to_ascii_lowercase().as_str() {
            "real-time" | "realtime" => Ok(Self::RealTime),
            "hourly" => Ok(Self::Hourly),
            "daily" => Ok(Self::Daily),
            "weekly" => Ok(Self::Weekly),
            lower => match lower.strip_prefix("every ") {
                Some(distance) => parse_distance(distance.trim())
                    .map(Self::Every)
                    .map_err(|why| unreadable(trimmed, why)),
                None => CronPattern::parse(trimmed).map(|pattern| Self::Cron(Box::new(pattern))),
            },
        }
    }
}

/// Reads `15m`, `2 hours`, `1d` as seconds.
fn parse_distance(text: &str) -> Result<i64, &'static str> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (count, unit) = text.split_at(digits);
    let count: i64 = count.parse().map_err(|_| ": a number belongs after `every`")?;
    let unit = match unit.trim() {
        "m" | "min" | "minute" | "minutes" => MINUTE,
        "h" | "hour" | "hours" => HOUR,
        "d" | "day" | "days" => DAY,
        _ => return Err(": the unit must be m, h or d"),
    };
    match count.checked_mul(unit) {
        Some(secs) if (MINUTE..=MAX_EVERY_SECS).contains(&secs) => Ok(secs),
        _ => Err(": the distance must be between one minute and 31 days"),
    }
}

impl fmt::Display for Cadence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RealTime => f.write_str("real-time"),
            Self::Hourly => f.write_str("hourly"),
            Self::Daily => f.write_str("daily"),
            Self::Weekly => f.write_str("weekly"),
            Self::Every(secs) if secs % DAY == 0 => write!(f, "every {}d", secs / DAY),
            Self::Every(secs) if secs % HOUR == 0 => write!(f, "every {}h", secs / HOUR),
            Self::Every(secs) => write!(f, "every {}m", secs / MINUTE),
            Self::Cron(pattern) => f.write_str(pattern.as_str()),
        }
    }
}
