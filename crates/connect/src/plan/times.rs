//! How services write times.

use connectus_core::Timestamp;
use serde_json::Value;

/// How a service writes times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimeFormat {
    /// Seconds since the epoch.
    Seconds,
    /// Milliseconds since the epoch.
    Millis,
    /// RFC 3339.
    Rfc3339,
    /// A strftime pattern, UTC.
    Pattern(Box<str>),
}

impl TimeFormat {
    /// Reads the dialect's format word.
    pub fn new(word: &str) -> Self {
        match word {
            "%s" => Self::Seconds,
            "%ms" => Self::Millis,
            "%+" => Self::Rfc3339,
            pattern => Self::Pattern(pattern.into()),
        }
    }

    /// Writes a time for a request.
    pub fn write(&self, at: Timestamp) -> String {
        match self {
            Self::Seconds => at.secs().to_string(),
            Self::Millis => at.millis().to_string(),
            Self::Rfc3339 => at.to_string(),
            Self::Pattern(pattern) => at.to_jiff().strftime(&**pattern).to_string(),
        }
    }

    /// The smallest step this format can tell apart, in microseconds.
    pub fn step(&self) -> i64 {
        match self {
            Self::Millis => 1_000,
            Self::Rfc3339 => 1,
            Self::Seconds | Self::Pattern(_) => 1_000_000,
        }
    }

    /// Reads a record's time: RFC 3339 in any usual spelling, a date, or a number in this
    /// format's unit.
    pub fn read(&self, value: &Value) -> Option<Timestamp> {
        let number = |number: i64| match self {
            Self::Millis => Timestamp::from_millis(number),
            _ => Timestamp::from_secs(number),
        };
        match value {
            Value::Number(raw) => raw.as_i64().map(number),
            Value::String(text) => match text.parse::<i64>() {
                Ok(raw) => Some(number(raw)),
                Err(_) => read_text(text),
            },
            _ => None,
        }
    }
}

fn read_text(text: &str) -> Option<Timestamp> {
    // A time of day without an offset is UTC; it must not be read as a bare date.
    let has_offset = text.get(11..).is_none_or(|time| time.contains(['Z', 'z', '+', '-']));
    if !has_offset {
        return Timestamp::parse(&format!("{text}Z"));
    }
    if let Some(at) = Timestamp::parse(text) {
        return Some(at);
    }
    // `+0000` instead of `+00:00` is in use, too.
    let (head, tail) = text.split_at_checked(text.len().checked_sub(5)?)?;
    let digits = tail.get(1..)?;
    if tail.starts_with(['+', '-']) && digits.bytes().all(|b| b.is_ascii_digit()) {
        let (hours, minutes) = digits.split_at_checked(2)?;
        let sign = tail.get(..1)?;
        return Timestamp::parse(&format!("{head}{sign}{hours}:{minutes}"));
    }
    None
}

/// An ISO 8601 duration of days, hours, minutes and seconds, in microseconds: `P1D`, `PT2M30S`.
pub fn duration_micros(text: &str) -> Option<i64> {
    let rest = text.strip_prefix('P')?;
    let (days, clock) = rest.split_once('T').unwrap_or((rest, ""));
    let mut total = 0_i64;
    for (part, units) in [(days, &[('W', 604_800), ('D', 86_400)][..]), (clock, CLOCK)] {
        let mut number = String::new();
        for letter in part.chars() {
            if letter.is_ascii_digit() {
                number.push(letter);
                continue;
            }
            let (_, secs) = units.iter().find(|(unit, _)| *unit == letter)?;
            let count: i64 = number.parse().ok()?;
            total = total.checked_add(count.checked_mul(*secs)?.checked_mul(1_000_000)?)?;
            number.clear();
        }
        if !number.is_empty() {
            return None;
        }
    }
    Some(total)
}

const CLOCK: &[(char, i64)] = &[('H', 3_600), ('M', 60), ('S', 1)];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_what_services_write() {
        let expected = Timestamp::from_millis(1_781_234_567_890);
        for (format, value) in [
            ("%ms", json!("2026-06-12T03:22:47.890Z")),
            ("%ms", json!(1_781_234_567_890_i64)),
            ("%ms", json!("1781234567890")),
            ("%+", json!("2026-06-12T03:22:47.890+0000")),
            ("%+", json!("2026-06-12T05:22:47.890+02:00")),
            ("%+", json!("2026-06-12T03:22:47.890")),
        ] {
            assert_eq!(TimeFormat::new(format).read(&value), Some(expected), "{format} {value}");
        }
        for value in [json!(null), json!("soon"), json!(""), json!("é"), json!([1])] {
            assert_eq!(TimeFormat::Millis.read(&value), None, "{value}");
        }
    }

    #[test]
    fn writes_in_the_format_asked_for() {
        let at = Timestamp::from_millis(1_781_234_567_890);
        assert_eq!(TimeFormat::new("%ms").write(at), "1781234567890");
        assert_eq!(TimeFormat::new("%s").write(at), "1781234567");
        assert_eq!(TimeFormat::new("%+").write(at), "2026-06-12T03:22:47.89Z");
        assert_eq!(TimeFormat::new("%Y-%m-%dT%H:%M:%SZ").write(at), "2026-06-12T03:22:47Z");
    }

    #[test]
    fn reads_durations_and_refuses_nonsense() {
        assert_eq!(duration_micros("PT2M30S"), Some(150_000_000));
        assert_eq!(duration_micros("P1DT1H"), Some(90_000_000_000));
        for text in ["", "2M", "P2M", "PT", "PT5", "P1X", "PT99999999999999999999S"] {
            let read = duration_micros(text);
            assert!(read.is_none() || read == Some(0), "{text} {read:?}");
        }
    }
}
