//! The `date` step, and reading dates in the forms providers send.

use jiff::{
    Timestamp, civil,
    fmt::strtime::{self, BrokenDownTime},
    tz::TimeZone,
};
use serde_json::Value;

use super::{
    rule::{Pointer, members, text},
    step::shown,
};
use crate::{error::FieldError, schedule::zone};

/// From here on an epoch number counts milliseconds: as seconds it would be the year 5138.
const MILLIS_FROM: u64 = 100_000_000_000;

/// Longest pattern, in bytes.
const MAX_PATTERN_BYTES: usize = 100;

#[derive(Clone, Debug)]
enum Form {
    /// Whatever [`read`] understands.
    Auto,
    /// RFC 3339, in UTC.
    Iso,
    /// `2026-03-01`.
    Date,
    /// Seconds since the epoch.
    Seconds,
    /// Milliseconds since the epoch.
    Millis,
    /// A `strftime` pattern.
    Pattern(Box<str>),
}

/// Rewrites a date from one form into another.
#[derive(Clone, Debug)]
pub(super) struct Redate {
    input: Form,
    output: Form,
    /// For forms that do not say their offset.
    zone: TimeZone,
}

impl Redate {
    pub(super) fn compile(options: &Value, at: &Pointer) -> Result<Self, FieldError> {
        let members = members(options, &["in", "out", "zone"], at)?;
        let zone = zone(text(members, "zone", at)?.unwrap_or("UTC"))
            .map_err(|error| at.key("zone").error(&error.detail))?;
        let form = |name: &str, default: Form| match text(members, name, at)? {
            None => Ok(default),
            Some("auto") if name == "in" => Ok(Form::Auto),
            Some("iso") => Ok(Form::Iso),
            Some("date") => Ok(Form::Date),
            Some("unix") => Ok(Form::Seconds),
            Some("unix_ms") => Ok(Form::Millis),
            Some(pattern) => {
                check_pattern(pattern, name == "in").map_err(|why| at.key(name).error(&why))?;
                Ok(Form::Pattern(pattern.into()))
            }
        };
        Ok(Self { input: form("in", Form::Auto)?, output: form("out", Form::Iso)?, zone })
    }

    pub(super) fn run(&self, value: &Value) -> Result<Value, String> {
        if super::step::is_blank(value) {
            return Ok(Value::Null);
        }
        let at = self.read(value).ok_or_else(|| match &self.input {
            Form::Pattern(pattern) => {
                format!("{} is not a date of the form `{pattern}`.", shown(value))
            }
            _ => format!("{} is not a date.", shown(value)),
        })?;
        let local = at.to_zoned(self.zone.clone());
        Ok(match &self.output {
            Form::Auto | Form::Iso => at.to_string().into(),
            Form::Date => local.date().to_string().into(),
            Form::Seconds => at.as_second().into(),
            Form::Millis => at.as_millisecond().into(),
            Form::Pattern(pattern) => strtime::format(pattern.as_bytes(), &local)
                .map_err(|error| format!("the date cannot be written so: {error}."))?
                .into(),
        })
    }

    fn read(&self, value: &Value) -> Option<Timestamp> {
        match &self.input {
            Form::Auto => read(value, &self.zone),
            Form::Iso | Form::Date => read_text(value.as_str()?.trim(), &self.zone),
            Form::Seconds => Timestamp::from_second(whole(value)?).ok(),
            Form::Millis => Timestamp::from_millisecond(whole(value)?).ok(),
            Form::Pattern(pattern) => {
                let text = super::step::plain_text(value)?;
                read_pattern(pattern, text.trim(), &self.zone)
            }
        }
    }
}

/// Reads a date: RFC 3339, a date with or without time in `zone`, or epoch seconds or milliseconds.
pub(super) fn read(value: &Value, zone: &TimeZone) -> Option<Timestamp> {
    match value {
        Value::Number(_) => epoch(whole(value)?),
        Value::String(text) => {
            let text = text.trim();
            let digits = text.strip_prefix('-').unwrap_or(text);
            // Eight digits are a date, 20260301; ten and more an epoch.
            if digits.len() >= 10 && digits.bytes().all(|b| b.is_ascii_digit()) {
                return epoch(text.parse().ok()?);
            }
            read_text(text, zone)
        }
        _ => None,
    }
}

fn epoch(number: i64) -> Option<Timestamp> {
    if number.unsigned_abs() >= MILLIS_FROM {
        Timestamp::from_millisecond(number).ok()
    } else {
        Timestamp::from_second(number).ok()
    }
}

fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| {
            let float = number.as_f64().filter(|float| float.abs() < 1e15)?;
            #[expect(clippy::cast_possible_truncation, reason = "the guard keeps it in range")]
            let whole = float as i64;
            Some(whole)
        }),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn read_text(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    local(text.parse().ok()?, zone)
}

fn read_pattern(pattern: &str, text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let parsed: BrokenDownTime = strtime::parse(pattern, text).ok()?;
    if parsed.offset().is_some() || parsed.timestamp().is_some() {
        return parsed.to_timestamp().ok();
    }
    let datetime = parsed.to_datetime().or_else(|_| parsed.to_date().map(civil::DateTime::from));
    local(datetime.ok()?, zone)
}

/// A wall clock time in a zone; one that a clock change skips is moved forward by the gap.
fn local(datetime: civil::DateTime, zone: &TimeZone) -> Option<Timestamp> {
    zone.to_timestamp(datetime).ok()
}

/// Tries a pattern on a known date, so that a mistake shows when it is written.
fn check_pattern(pattern: &str, reads: bool) -> Result<(), String> {
    if pattern.len() > MAX_PATTERN_BYTES || !pattern.contains('%') {
        return Err("must be \"iso\", \"date\", \"unix\", \"unix_ms\" or a pattern such as \
                    \"%d/%m/%Y\"."
            .into());
    }
    let probe = civil::date(2026, 10, 23).at(14, 35, 59, 0);
    let probe = probe.to_zoned(TimeZone::UTC).map_err(|error| error.to_string())?;
    let text = strtime::format(pattern.as_bytes(), &probe)
        .map_err(|error| format!("is not a date pattern: {error}."))?;
    if reads && read_pattern(pattern, &text, &TimeZone::UTC).is_none() {
        return Err("does not hold a whole date; it needs day, month and year.".into());
    }
    Ok(())
}
