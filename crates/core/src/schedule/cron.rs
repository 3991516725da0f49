//! Cron patterns of five fields: minute, hour, day of month, month, day of week.

use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use jiff::{Zoned, tz::TimeZone};

use super::unreadable;
use crate::{Result, Timestamp};

/// 2000-01-01, from which a pattern must come at least once. A fixed day: parsing reads no clock.
const PROBE_FROM: Timestamp = Timestamp::from_secs(946_684_800);

/// A pattern that is known to come.
#[derive(Clone, Debug)]
pub(super) struct CronPattern {
    cron: Cron,
    text: Box<str>,
}

impl CronPattern {
    pub(super) fn parse(text: &str) -> Result<Self> {
        if text.split_ascii_whitespace().count() != 5 {
            return Err(unreadable(text, ""));
        }
        // A field without a value is taken for one that never comes, which is searched for through
        // thousands of years, minute by minute.
        if text.split_ascii_whitespace().any(|field| field.split(',').any(str::is_empty)) {
            return Err(unreadable(text, ": there is nothing between two commas of a field"));
        }
        let cron = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build()
            .parse(text)
            .map_err(|error| unreadable(text, &format!(": {error}")))?;
        let pattern = Self { cron, text: text.into() };
        // A pattern that never comes would be a flow that silently never runs.
        if pattern.next_after(PROBE_FROM, &TimeZone::UTC).is_none() {
            return Err(unreadable(text, ": no such day ever comes"));
        }
        Ok(pattern)
    }

    pub(super) fn next_after(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let start = Zoned::new(after.to_jiff(), zone.clone());
        let next = self.cron.find_next_occurrence(&start, false).ok()?;
        Some(Timestamp(next.timestamp().as_microsecond()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }
}
