//! Schedules: when something is due next. Pure arithmetic on time stamps; nobody waits here.
//!
//! | text | due |
//! |---|---|
//! | `hourly` | once an hour, at a minute of its own |
//! | `daily` | once a day between 04:00 and 06:00 local time, at a time of its own |
//! | `weekly` | on Monday, as `daily` |
//! | `every 15m`, `every 6h`, `every 2d` | at that distance, at an offset of its own |
//! | `real-time` | when the provider says so, and every five minutes for what it forgot to say |
//! | `30 8 * * MON-FRI` | exactly then, local time |
//!
//! "Of its own" is a stable spread: the offset follows from the identifier of what is scheduled, so
//! that a thousand hourly flows do not all start at :00 and each keeps its minute for ever. A cron
//! pattern is taken at its word. `daily` and `weekly` avoid the hours in which clocks change.
//!
//! A cron time that a clock change skips is due when the clock has moved; a time that occurs twice
//! is due once.

mod cadence;
mod cron;
mod zone;

use std::{fmt, str::FromStr};

use jiff::tz::TimeZone;
use sha2::{Digest as _, Sha256};

use crate::{Error, Result, Timestamp};
use cadence::Cadence;
pub use zone::zone;

/// Longest text of a schedule, in bytes.
pub const MAX_TEXT_BYTES: usize = 100;

/// How often a real-time flow looks for changes it was not told about, in seconds.
pub const REAL_TIME_POLL_SECS: i64 = 300;

/// When something is due, in a time zone, spread by an identifier.
#[derive(Clone, Debug)]
pub struct Schedule {
    cadence: Cadence,
    zone: TimeZone,
    spread: u64,
}

/// What to do now about something that was due at a known time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// Whether to run now. Runs missed while nobody looked are made up for by one run, not many.
    pub run: bool,
    /// How late that run is, in seconds.
    pub late_secs: i64,
    /// When it is due next; none when never again.
    pub next: Option<Timestamp>,
}

impl Schedule {
    /// Reads a schedule. `zone` is an IANA name; `spread_by` the identifier of what is scheduled.
    ///
    /// # Errors
    /// [`Invalid`](crate::Code::Invalid) on `sync_frequency` for a text that is no schedule or a
    /// pattern that never comes (30 February), on `timezone` for an unknown zone.
    pub fn parse(text: &str, zone: &str, spread_by: &str) -> Result<Self> {
        let zone = self::zone(zone)?;
        let cadence: Cadence = text.parse()?;
        let digest = Sha256::digest(spread_by.as_bytes());
        let spread = digest.iter().take(8).fold(0, |bits, byte| (bits << 8) | u64::from(*byte));
        Ok(Self { cadence, zone, spread })
    }

    /// Whether the provider is expected to say when there is something to do.
    pub fn is_real_time(&self) -> bool {
        matches!(self.cadence, Cadence::RealTime)
    }

    /// The first time strictly after `after` at which it is due; none when never again.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let next = self.cadence.next_after(after, &self.zone, self.spread)?;
        (next > after).then_some(next)
    }

    /// What to do at `now` about something due at `due`; none for `due` when nothing is planned.
    pub fn tick(&self, due: Option<Timestamp>, now: Timestamp) -> Tick {
        match due {
            Some(due) if due <= now => Tick {
                run: true,
                late_secs: now.secs().saturating_sub(due.secs()),
                next: self.next_after(now),
            },
            Some(due) => Tick { run: false, late_secs: 0, next: Some(due) },
            None => Tick { run: false, late_secs: 0, next: self.next_after(now) },
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.cadence, f)
    }
}

/// Brings a schedule's text into its one stored form: `realtime` is `real-time`, `Hourly` is
/// `hourly`, `every 15 minutes` is `every 15m`.
///
/// # Errors
/// As [`Schedule::parse`].
pub fn normalise(text: &str) -> Result<String> {
    Cadence::from_str(text).map(|cadence| cadence.to_string())
}

fn unreadable(text: &str, why: &str) -> Error {
    let shown: String = text.chars().take(60).collect();
    Error::invalid(
        "sync_frequency",
        format!(
            "`{shown}` is not a schedule{why}. Use real-time, hourly, daily, weekly, \
             `every 15m` (m, h or d), or a cron pattern of five fields such as `30 8 * * MON-FRI`."
        ),
    )
}

#[cfg(test)]
mod tests;
