//! Durations: `timedelta` of Python, and the years and months of ISO 8601 beside it.

use std::fmt;

use connectus_core::{Code, Error, Result};

const SECOND: i128 = 1_000_000;
const DAY: i128 = 86_400 * SECOND;
/// Largest number of days a `timedelta` holds.
const MAX_DAYS: i128 = 999_999_999;

/// A duration. Years and months are kept apart: how long they are depends on where they begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    micros: i128,
    years: i64,
    months: i64,
}

impl Span {
    /// So many microseconds; `None` beyond what a `timedelta` holds.
    pub fn of_micros(micros: i128) -> Option<Self> {
        (micros.abs() <= (MAX_DAYS + 1) * DAY).then_some(Self { micros, years: 0, months: 0 })
    }

    /// Parses an ISO 8601 duration such as `P1M` or `-PT36H`.
    ///
    /// # Errors
    /// `invalid` for any other text.
    pub fn parse(text: &str) -> Result<Self> {
        Self::read(text).ok_or_else(|| {
            let detail = format!(
                "`{text}` is not an ISO 8601 duration; write one such as `P1D`, `P1M` or `PT6H`."
            );
            Error::new(Code::Invalid, detail)
        })
    }

    fn read(text: &str) -> Option<Self> {
        let (negative, rest) = match text.strip_prefix(['+', '-']) {
            Some(rest) => (text.starts_with('-'), rest),
            None => (false, text),
        };
        let rest = rest.strip_prefix('P').filter(|rest| !rest.is_empty())?;
        let (date, time) = match rest.split_once('T') {
            Some((date, time)) => (date, time),
            None => (rest, ""),
        };
        let [years, months, weeks, days] = parts(date, ['Y', 'M', 'W', 'D'])?;
        let [hours, minutes, seconds, _] = parts(time, ['H', 'M', 'S', '\0'])?;
        let units = [(weeks, 7 * DAY), (days, DAY), (hours, 3600 * SECOND)];
        let units = units.into_iter().chain([(minutes, 60 * SECOND), (seconds, SECOND)]);
        let (mut micros, mut rest) = (0_i128, 0.0);
        for (count, unit) in units {
            #[expect(clippy::cast_possible_truncation, reason = "the bound was just checked")]
            let whole = (count.abs() < 1e15).then_some(count.trunc() as i128)?;
            micros += whole * unit;
            #[expect(clippy::cast_precision_loss, reason = "a week has few microseconds")]
            let unit = unit as f64;
            rest += count.fract() * unit;
        }
        #[expect(clippy::cast_possible_truncation, reason = "less than a few weeks")]
        let rest = rest.round_ties_even() as i128;
        let mut span = Self::of_micros(micros + rest)?;
        span.years = whole(years)?;
        span.months = whole(months)?;
        Some(if negative { span.negated() } else { span })
    }

    /// The other way round.
    #[must_use]
    pub fn negated(&self) -> Self {
        Self { micros: -self.micros, years: -self.years, months: -self.months }
    }

    /// One after the other; `None` beyond what can be held.
    pub fn plus(&self, other: &Self) -> Option<Self> {
        let span = Self::of_micros(self.micros + other.micros)?;
        Some(Self {
            years: self.years.checked_add(other.years)?,
            months: self.months.checked_add(other.months)?,
            ..span
        })
    }

    /// So many times; `None` beyond what can be held.
    pub fn times(&self, count: i64) -> Option<Self> {
        let span = Self::of_micros(self.micros.checked_mul(i128::from(count))?)?;
        Some(Self {
            years: self.years.checked_mul(count)?,
            months: self.months.checked_mul(count)?,
            ..span
        })
    }

    /// Microseconds beside the years and months.
    pub fn micros(&self) -> i128 {
        self.micros
    }

    /// Years and months together.
    pub fn whole_months(&self) -> i64 {
        self.years.saturating_mul(12).saturating_add(self.months)
    }

    /// Whether it is the same length wherever it begins.
    pub fn is_exact(&self) -> bool {
        self.years == 0 && self.months == 0
    }

    /// Years and months.
    pub(in super::super) fn calendar(&self) -> (i64, i64) {
        (self.years, self.months)
    }

    /// Without what is beside the years and months.
    #[must_use]
    pub(in super::super) fn calendar_only(&self) -> Self {
        Self { micros: 0, ..*self }
    }

    /// Days, rounded down, and the seconds and microseconds beyond them.
    pub(in super::super) fn parts(&self) -> (i128, i128, i128) {
        let rest = self.micros.rem_euclid(DAY);
        (self.micros.div_euclid(DAY), rest / SECOND, rest % SECOND)
    }
}

/// As `str` of Python prints it.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.years != 0 {
            write!(f, "{} years, ", self.years)?;
        }
        if self.months != 0 {
            write!(f, "{} month{}, ", self.months, if self.months <= 1 { "" } else { "s" })?;
        }
        let (days, secs, micros) = self.parts();
        if days != 0 {
            write!(f, "{days} day{}, ", if days.abs() == 1 { "" } else { "s" })?;
        }
        write!(f, "{}:{:02}:{:02}", secs / 3600, secs / 60 % 60, secs % 60)?;
        if micros != 0 {
            write!(f, ".{micros:06}")?;
        }
        Ok(())
    }
}

/// Numbers followed by their units, in this order, each at most once.
fn parts(mut text: &str, units: [char; 4]) -> Option<[f64; 4]> {
    let mut counts = [0.0; 4];
    for (count, unit) in counts.iter_mut().zip(units) {
        let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ','));
        let Some((digits, rest)) = end.map(|end| text.split_at(end)) else { break };
        if let Some(rest) = rest.strip_prefix(unit) {
            let digits = digits.replace(',', ".");
            let plain = digits.split('.').all(|part| !part.is_empty());
            *count = digits.parse().ok().filter(|_| plain)?;
            text = rest;
        }
    }
    text.is_empty().then_some(counts)
}

fn whole(count: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "the bound is checked first")]
    (count.fract() == 0.0 && count.abs() < 1e9).then_some(count as i64)
}
