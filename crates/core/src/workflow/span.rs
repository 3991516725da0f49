//! Lengths of time as definitions write them: `500ms`, `30s`, `15m`, `2h`, `7d`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Timestamp;

/// A length of time in milliseconds. Written as text with a unit; a bare number is seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(u64);

const UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

impl Span {
    /// From milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// From seconds, saturating.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000))
    }

    /// In milliseconds.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// The time this long after `at`, saturating.
    pub fn after(self, at: Timestamp) -> Timestamp {
        at.plus_millis(i64::try_from(self.0).unwrap_or(i64::MAX))
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (count, unit) = text.split_at(digits);
        UNITS
            .iter()
            .find(|(name, _)| *name == unit.trim())
            .and_then(|(_, millis)| count.parse::<u64>().ok()?.checked_mul(*millis))
            .map(Self)
            .ok_or_else(|| {
                format!("`{text}` is no length of time; write `500ms`, `30s`, `15m`, `2h` or `7d`")
            })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, millis) = UNITS
            .iter()
            .rev()
            .find(|(_, millis)| self.0 != 0 && self.0.is_multiple_of(*millis))
            .unwrap_or(&("s", 1_000));
        write!(f, "{}{unit}", self.0 / millis)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Span;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a length of time such as `30s`, `15m`, `2h` or `7d`")
            }

            fn visit_u64<E: de::Error>(self, secs: u64) -> Result<Span, E> {
                Ok(Span::from_secs(secs))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_the_same_length() {
        for (text, millis) in [
            ("0s", 0),
            ("500ms", 500),
            ("30s", 30_000),
            ("90s", 90_000),
            ("15m", 900_000),
            ("2h", 7_200_000),
            ("7d", 604_800_000),
        ] {
            let span: Span = serde_json::from_value(text.into()).unwrap();
            assert_eq!((span.millis(), span.to_string().as_str()), (millis, text));
        }
        assert_eq!(serde_json::from_str::<Span>("60").unwrap().to_string(), "1m");
        for bad in ["\"\"", "\"5\"", "\"-1s\"", "\"1 week\"", "\"99999999999999999999d\"", "1.5"] {
            assert!(serde_json::from_str::<Span>(bad).is_err(), "{bad}");
        }
    }
}
