//! A point in time as Python's `datetime` holds it: a calendar reading and an offset, if known.

use std::{cmp::Ordering, fmt};

use connectus_core::{Code, Error, Result, Timestamp};
use jiff::civil;

use super::{span::Span, strftime::strftime};

const MICROS_PER_SEC: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SEC;
const EPOCH: civil::Date = civil::date(1970, 1, 1);
const EARLIEST: civil::DateTime = civil::datetime(1, 1, 1, 0, 0, 0, 0);
const LATEST: civil::DateTime = civil::datetime(9999, 12, 31, 23, 59, 59, 999_999_000);

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
    /// In UTC. Times beyond the years 1 to 9999 are the nearest of them.
    pub fn of(at: Timestamp) -> Self {
        let nearest = if at.0 < 0 { EARLIEST } else { LATEST };
        Self { reading: reading_of(at.0).unwrap_or(nearest), zone: Some(Zone::Utc) }
    }

    /// In UTC, so many microseconds after 1970; `None` beyond the years 1 to 9999.
    pub(super) fn of_micros(micros: i64) -> Option<Self> {
        Some(Self { reading: reading_of(micros)?, zone: Some(Zone::Utc) })
    }

    /// Parses ISO 8601. Without an offset in the text there is none here.
    ///
    /// # Errors
    /// `invalid` for any other text.
    pub fn parse_iso(text: &str) -> Result<Self> {
        super::parse_iso(text).ok_or_else(|| {
            let detail = format!(
                "`{text}` is not an ISO 8601 date such as `2024-01-31T10:00:00Z`; correct it, or \
                 say in which format it is."
            );
            Error::new(Code::Invalid, detail)
        })
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
        let days = EPOCH.until(self.reading.date()).map_or(0, |span| i64::from(span.get_days()));
        let time = self.reading.time();
        let secs = i64::from(time.hour()) * 3600
            + i64::from(time.minute()) * 60
            + i64::from(time.second());
        (days * 86_400 + secs) * MICROS_PER_SEC + i64::from(self.micros_of_second())
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
        let reading = reading_of(micros).filter(|_| (1..=9999).contains(&year));
        Ok(Self { reading: reading.ok_or_else(beyond)?, zone: self.zone })
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

/// What the calendar shows so many microseconds after 1970; `None` beyond the years 1 to 9999.
fn reading_of(micros: i64) -> Option<civil::DateTime> {
    let days = jiff::Span::new().try_days(micros.div_euclid(MICROS_PER_DAY)).ok()?;
    let date = EPOCH.checked_add(days).ok().filter(|date| date.year() >= 1)?;
    let micros = micros.rem_euclid(MICROS_PER_DAY);
    let secs = micros / MICROS_PER_SEC;
    let part = |number: i64| i8::try_from(number).ok();
    let nanos = i32::try_from(micros % MICROS_PER_SEC * 1000).ok()?;
    let time = civil::Time::new(part(secs / 3600)?, part(secs / 60 % 60)?, part(secs % 60)?, nanos);
    Some(date.to_datetime(time.ok()?))
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
