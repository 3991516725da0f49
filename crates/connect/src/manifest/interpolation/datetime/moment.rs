//! A point in time as Python's `datetime` holds it: a calendar reading and an offset, if known.

use std::{cmp::Ordering, fmt};

use connectus_core::{Code, Error, Result, Timestamp};
use jiff::{civil, tz::TimeZone};

use super::{span::Span, strftime::strftime};

const MICROS_PER_SEC: i64 = 1_000_000;

/// The distance from UTC. Not every moment has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zone {
    /// UTC.
    Utc,
    /// A fixed number of seconds east of UTC.
    East(i32),
}

impl Zone {
    /// Seconds east of UTC; less than a day.
    pub fn east(secs: i32) -> Option<Self> {
        match secs {
            0 => Some(Self::Utc),
            -86_399..=86_399 => Some(Self::East(secs)),
            _ => None,
        }
    }

    /// Seconds east of UTC.
    pub fn secs(self) -> i32 {
        match self {
            Self::Utc => 0,
            Self::East(secs) => secs,
        }
    }

    /// `+02:00`, with seconds where there are some; `separator` stands between the parts.
    pub fn print(self, separator: &str) -> String {
        let secs = self.secs();
        let sign = if secs < 0 { '-' } else { '+' };
        let (hours, minutes, rest) = (secs.abs() / 3600, secs.abs() / 60 % 60, secs.abs() % 60);
        let mut text = format!("{sign}{hours:02}{separator}{minutes:02}");
        if rest != 0 {
            text.push_str(separator);
            text.push_str(&format!("{rest:02}"));
        }
        text
    }

    /// What `%Z` prints.
    pub fn name(self) -> String {
        match self {
            Self::Utc => "UTC".to_owned(),
            Self::East(_) => format!("UTC{}", self.print(":")),
        }
    }
}

/// A point in time of the years 1 to 9999, exact to the microsecond, with the offset it was
/// written with.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    reading: civil::DateTime,
    zone: Option<Zone>,
}

impl Moment {
    /// In UTC.
    pub fn of(at: Timestamp) -> Self {
        let reading = TimeZone::UTC.to_datetime(at.to_jiff());
        Self { reading, zone: Some(Zone::Utc) }
    }

    /// A calendar reading, with an offset or without.
    pub(in super::super) fn new(reading: civil::DateTime, zone: Option<Zone>) -> Self {
        Self { reading, zone }
    }

    /// What the calendar and the clock show.
    pub(in super::super) fn reading(&self) -> civil::DateTime {
        self.reading
    }

    /// The offset, if there is one.
    pub(in super::super) fn zone(&self) -> Option<Zone> {
        self.zone
    }

    /// Microseconds of the second.
    pub(in super::super) fn micros_of_second(&self) -> i32 {
        self.reading.subsec_nanosecond() / 1000
    }

    /// The point in time. Without an offset the reading counts as UTC.
    pub fn timestamp(&self) -> Timestamp {
        let offset = i64::from(self.zone.map_or(0, Zone::secs)) * MICROS_PER_SEC;
        Timestamp(self.reading_micros() - offset)
    }

    /// The same point in time, read in UTC.
    #[must_use]
    pub fn to_utc(&self) -> Self {
        Self::of(self.timestamp())
    }

    /// UTC, unless it says otherwise.
    #[must_use]
    pub fn or_utc(self) -> Self {
        Self { zone: self.zone.or(Some(Zone::Utc)), ..self }
    }

    /// Microseconds from 1970 to the reading, as if it were UTC.
    pub(in super::super) fn reading_micros(&self) -> i64 {
        TimeZone::UTC.to_timestamp(self.reading).map_or(0, jiff::Timestamp::as_microsecond)
    }

    /// Moved forward by a duration, in the calendar of the reading.
    ///
    /// # Errors
    /// `invalid` beyond the years 1 to 9999.
    pub fn plus(&self, span: &Span) -> Result<Self> {
        self.moved(span, 1)
    }

    /// Moved back by a duration.
    ///
    /// # Errors
    /// As [`Moment::plus`].
    pub fn minus(&self, span: &Span) -> Result<Self> {
        self.moved(span, -1)
    }

    fn moved(&self, span: &Span, sign: i64) -> Result<Self> {
        let beyond = || {
            let detail = format!("{self} moved by {span} leaves the years 1 to 9999.");
            Error::new(Code::Invalid, detail)
        };
        let months = i64::from(self.reading.year()) * 12 + i64::from(self.reading.month()) - 1
            + sign * span.whole_months();
        let year = i16::try_from(months.div_euclid(12)).map_err(|_| beyond())?;
        let month = i8::try_from(months.rem_euclid(12) + 1).map_err(|_| beyond())?;
        let first = civil::Date::new(year, month, 1).map_err(|_| beyond())?;
        let day = self.reading.day().min(first.days_in_month());
        let date = civil::Date::new(year, month, day).map_err(|_| beyond())?;
        let there = Self { reading: date.to_datetime(self.reading.time()), zone: self.zone };
        let micros = i128::from(there.reading_micros()) + i128::from(sign) * span.micros();
        let micros = i64::try_from(micros).map_err(|_| beyond())?;
        let at = jiff::Timestamp::from_microsecond(micros).map_err(|_| beyond())?;
        let reading = TimeZone::UTC.to_datetime(at);
        if !(1..=9999).contains(&reading.year()) || !(1..=9999).contains(&year) {
            return Err(beyond());
        }
        Ok(Self { reading, zone: self.zone })
    }

    /// As `strftime` of Python prints it.
    pub fn strftime(&self, format: &str) -> String {
        strftime(self, format)
    }

    /// ISO 8601 with `separator` between date and time.
    pub fn isoformat(&self, separator: char) -> String {
        let reading = self.reading;
        let mut text = format!(
            "{:04}-{:02}-{:02}{separator}{:02}:{:02}:{:02}",
            reading.year(),
            reading.month(),
            reading.day(),
            reading.hour(),
            reading.minute(),
            reading.second()
        );
        match self.micros_of_second() {
            0 => {}
            micros => text.push_str(&format!(".{micros:06}")),
        }
        text + &self.zone.map_or_else(String::new, |zone| zone.print(":"))
    }
}

/// As `str` of Python prints it.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.isoformat(' '))
    }
}

impl PartialEq for Moment {
    fn eq(&self, other: &Self) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

/// Moments with an offset and moments without cannot be ordered.
impl PartialOrd for Moment {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self.zone.is_some() == other.zone.is_some())
            .then(|| self.timestamp().cmp(&other.timestamp()))
    }
}
