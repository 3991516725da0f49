//! The formats in which cursors and configurations write points in time.

use connectus_core::{Code, Error, Result};

use super::{moment::Moment, strftime::strftime, strptime::strptime};

const MICROS: f64 = 1_000_000.0;

/// A format of points in time: `strptime` of Python, and `%s`, `%s_as_float`, `%ms`, `%_ms` and
/// `%epoch_microseconds`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatetimeFormat {
    text: Box<str>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Seconds,
    Float,
    Millis,
    Micros,
    Calendar,
}

impl DatetimeFormat {
    /// The format of this text.
    pub fn new(text: &str) -> Self {
        let kind = match text {
            "%s" => Kind::Seconds,
            "%s_as_float" => Kind::Float,
            "%ms" => Kind::Millis,
            "%epoch_microseconds" => Kind::Micros,
            _ => Kind::Calendar,
        };
        Self { text: text.into(), kind }
    }

    /// As the manifest writes it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Parses a point in time; without an offset it is UTC.
    ///
    /// # Errors
    /// `invalid` for a text of another form, and beyond the years 1 to 9999.
    pub fn parse(&self, text: &str) -> Result<Moment> {
        let found = match self.kind {
            Kind::Seconds => {
                whole(text).and_then(|secs| Moment::of_micros(secs.checked_mul(1_000_000)?))
            }
            Kind::Millis => {
                whole(text).and_then(|millis| Moment::of_micros(millis.checked_mul(1_000)?))
            }
            Kind::Micros => whole(text).and_then(Moment::of_micros),
            Kind::Float => float(text).and_then(Moment::of_micros),
            Kind::Calendar => {
                let format = self.text.replace("%_ms", "%f");
                return strptime(text, &format)
                    .map(|parsed| parsed.moment.or_utc())
                    .map_err(|why| self.mismatch(text, &why));
            }
        };
        found.ok_or_else(|| self.mismatch(text, "it is not such a number"))
    }

    fn mismatch(&self, text: &str, why: &str) -> Error {
        let detail = format!(
            "`{text}` does not fit the datetime format `{}`: {why}. Correct the format, or add \
             this one to `cursor_datetime_formats`.",
            self.text
        );
        Error::new(Code::Invalid, detail)
    }

    /// Prints a point in time.
    pub fn format(&self, moment: &Moment) -> String {
        let micros = moment.timestamp().0;
        // The reference divides and multiplies floats here; so do we, to print the same digits.
        #[expect(clippy::cast_precision_loss, reason = "the reference rounds alike")]
        let secs = micros as f64 / MICROS;
        #[expect(clippy::cast_possible_truncation, reason = "years are limited to four digits")]
        let whole = |number: f64| (number as i64).to_string();
        match self.kind {
            Kind::Seconds => whole(secs),
            Kind::Float => super::super::print::float(secs),
            Kind::Millis => whole(secs * 1000.0),
            Kind::Micros => whole(secs * MICROS),
            Kind::Calendar if self.text.contains("%_ms") => {
                let micros = moment.micros_of_second();
                strftime(moment, &self.text.replace("%_ms", "%f"))
                    .replace(&format!("{micros:06}"), &format!("{:03}", micros / 1000))
            }
            Kind::Calendar => strftime(moment, &self.text),
        }
    }
}

/// `int()` of a text.
fn whole(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let grouped = !digits.starts_with('_') && !digits.ends_with('_') && !digits.contains("__");
    grouped.then(|| text.replace('_', "").parse().ok())?
}

/// `float()` of a text in seconds, as microseconds.
fn float(text: &str) -> Option<i64> {
    let secs: f64 = text.trim().parse().ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "the bound was just checked")]
    (secs.abs() < 1e12).then(|| {
        let whole = secs.floor();
        whole as i64 * 1_000_000 + ((secs - whole) * MICROS).round_ties_even() as i64
    })
}
