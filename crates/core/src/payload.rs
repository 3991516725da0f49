//! Values that belong to runs: in the row that names them or, where they are large, parked outside
//! of the database under the hash of their text.
//!
//! A row holds JSON, or a reference that no JSON text looks like: what a tenant sends cannot be
//! taken for one.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Value, json};

use crate::{Error, Result};

/// Texts longer than this many bytes are parked unless the operator says otherwise.
pub const USUAL_THRESHOLD: usize = 64 * 1024;
/// The hash is SHA-256, in hex.
const HASH_CHARS: usize = 64;
/// `2026-01-05`.
const DAY_CHARS: usize = 10;

/// What a parked value is called: the day it was written, and the hash of its text. Within a day
/// the same text has the same name; a blob of a day that is over is never written again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobName(Box<str>);

impl BlobName {
    /// The name of a text with this hash (in hex), written on this day (`2026-01-05`).
    ///
    /// # Errors
    /// `invalid` when that is no day and no hash.
    pub fn new(day: &str, hash: &str) -> Result<Self> {
        format!("{day}.{hash}").parse()
    }

    /// The day it was written: `2026-01-05`.
    pub fn day(&self) -> &str {
        self.0.get(..DAY_CHARS).unwrap_or_default()
    }

    /// The hash of the text, in hex.
    pub fn hash(&self) -> &str {
        self.0.get(DAY_CHARS + 1..).unwrap_or_default()
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BlobName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let is_day = |day: &str| {
            let fits = |(at, byte): (usize, u8)| match at {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            };
            day.len() == DAY_CHARS && day.bytes().enumerate().all(fits)
        };
        let is_hash = |hash: &str| {
            let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            hash.len() == HASH_CHARS && hash.bytes().all(is_hex)
        };
        match text.split_once('.') {
            Some((day, hash)) if is_day(day) && is_hash(hash) => Ok(Self(text.into())),
            _ => Err(Error::invalid("blob", "must be a day and a hash, as a run names its blobs")),
        }
    }
}

impl fmt::Display for BlobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for BlobName {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for BlobName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(|_| de::Error::custom("not the name of a blob"))
    }
}

/// A reference to a parked value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Parked {
    /// What it is called.
    pub blob: BlobName,
    /// The length of its text.
    pub bytes: u64,
}

impl Parked {
    /// The reference as a row holds it: no JSON text begins like it.
    pub fn stored(&self) -> String {
        format!("@{}:{}", self.blob, self.bytes)
    }

    fn read(stored: &str) -> Option<Self> {
        let (blob, bytes) = stored.split_once(':')?;
        Some(Self { blob: blob.parse().ok()?, bytes: bytes.parse().ok()? })
    }

    /// Whether it stands for the same text, whenever that was written.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.blob.hash() == other.blob.hash() && self.bytes == other.bytes
    }

    /// What stands in place of the value where it is not read: its name and its size.
    pub fn shown(&self) -> Value {
        json!({ "parked": self })
    }
}

/// A value that belongs to a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Payload {
    /// The value itself.
    Here(Value),
    /// Where the value is.
    Parked(Parked),
}

impl Payload {
    /// Reads what a row holds.
    ///
    /// # Errors
    /// When it is neither JSON nor a reference.
    pub fn read(stored: &str) -> serde_json::Result<Self> {
        match stored.strip_prefix('@') {
            None => serde_json::from_str(stored).map(Self::Here),
            Some(reference) => Parked::read(reference)
                .map(Self::Parked)
                .ok_or_else(|| de::Error::custom("an unreadable reference to a parked value")),
        }
    }

    /// As a row holds it.
    pub fn stored(&self) -> String {
        match self {
            // Writing to memory cannot fail, and the keys of a value are texts.
            Self::Here(value) => serde_json::to_string(value).unwrap_or_default(),
            Self::Parked(parked) => parked.stored(),
        }
    }

    /// The value, where it was read already.
    ///
    /// # Errors
    /// `internal` while it is parked.
    pub fn here(&self) -> Result<&Value> {
        match self {
            Self::Here(value) => Ok(value),
            Self::Parked(parked) => Err(not_read(parked)),
        }
    }

    /// Where the value is, unless it is here.
    pub fn parked(&self) -> Option<&Parked> {
        match self {
            Self::Here(_) => None,
            Self::Parked(parked) => Some(parked),
        }
    }

    /// The value, or what stands in its place where it is not read.
    pub fn shown(&self) -> Value {
        match self {
            Self::Here(value) => value.clone(),
            Self::Parked(parked) => parked.shown(),
        }
    }
}

fn not_read(parked: &Parked) -> Error {
    Error::internal(format!("the parked value {} was not read before it was used", parked.blob))
}

impl From<Value> for Payload {
    fn from(value: Value) -> Self {
        Self::Here(value)
    }
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Here(value) => value.serialize(to),
            Self::Parked(parked) => parked.shown().serialize(to),
        }
    }
}

/// Whether the JSON text of a value may well be longer than so many bytes. Looks no further than it
/// has to, and is right about what is much smaller or much larger.
pub fn is_larger(value: &Value, bytes: usize) -> bool {
    fn spend(value: &Value, left: &mut usize) -> bool {
        let own = match value {
            Value::String(text) => text.len() + 2,
            Value::Object(members) => members.keys().map(|name| name.len() + 4).sum(),
            Value::Array(items) => items.len() + 2,
            _ => 4,
        };
        let Some(rest) = left.checked_sub(own) else { return true };
        *left = rest;
        match value {
            Value::Array(items) => items.iter().any(|item| spend(item, left)),
            Value::Object(members) => members.values().any(|member| spend(member, left)),
            _ => false,
        }
    }
    let mut left = bytes;
    spend(value, &mut left)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parked() -> Parked {
        let hash = "0123456789abcdef".repeat(4);
        Parked { blob: BlobName::new("2026-01-05", &hash).unwrap(), bytes: 70_000 }
    }

    #[test]
    fn the_stored_form_stays_readable() {
        let stored = format!("@2026-01-05.{}:70000", "0123456789abcdef".repeat(4));
        assert_eq!(Payload::read(&stored).unwrap(), Payload::Parked(parked()));
        assert_eq!(Payload::Parked(parked()).stored(), stored);
        assert_eq!((parked().blob.day(), parked().blob.hash().len()), ("2026-01-05", 64));
    }

    #[test]
    fn no_json_is_taken_for_a_reference() {
        for value in [
            parked().shown(),
            json!(parked().stored()),
            json!({ "v": [parked().stored()] }),
            json!(null),
        ] {
            let read = Payload::read(&Payload::from(value.clone()).stored()).unwrap();
            assert_eq!(read, Payload::Here(value));
        }
    }

    #[test]
    fn what_is_neither_is_refused() {
        let hash = "0123456789abcdef".repeat(4);
        for text in [
            "@".to_owned(),
            format!("@2026-01-05.{hash}"),
            format!("@2026-01-05.{hash}:many"),
            format!("@2026-01-0x.{hash}:1"),
            format!("@2026-01-05/{hash}:1"),
            format!("@2026-01-05.{}:1", hash.to_uppercase()),
            format!("@../../etc.{hash}:1"),
        ] {
            assert!(Payload::read(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_value_that_was_not_read_is_not_taken_for_null() {
        let payload = Payload::Parked(parked());
        assert_eq!(payload.here().unwrap_err().code, crate::Code::Internal);
        assert_eq!(payload.shown()["parked"]["bytes"], 70_000);
        assert_eq!(serde_json::to_value(&payload).unwrap(), payload.shown());
        assert!(Payload::from(json!(1)).here().is_ok());
    }

    #[test]
    fn sizes_are_told_apart_without_writing() {
        for (value, length) in [
            (json!("x".repeat(1_000)), 1_000),
            (json!(vec!["xxxxxxxx"; 100]), 1_100),
            (json!({ "a": { "b": vec![json!({ "c": true }); 100] } }), 1_000),
        ] {
            assert!(is_larger(&value, length / 2), "{value}");
            assert!(!is_larger(&value, length * 2), "{value}");
        }
    }
}
