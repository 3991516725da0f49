//! Collections: records kept inside Connectus, read, filtered and exported.

mod csv;
mod filter;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Value};

use crate::{Error, Result, canonical::Digest, id::TenantId, time::Timestamp};
pub use csv::Csv;
pub use filter::{Filter, Op, Operand};

/// Longest collection name, in bytes.
pub const MAX_COLLECTION_BYTES: usize = 100;

/// Longest record key, in bytes.
pub const MAX_KEY_BYTES: usize = 200;

/// The collection into which contacts go when a workflow names only `digisol_crm`.
pub const BUILT_IN: &str = "digisol_crm";

/// A collection's name: lower-case parts joined by `/`, `digisol_crm/contacts`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CollectionName(Box<str>);

impl CollectionName {
    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CollectionName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let part = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_lowercase())
                && part.bytes().all(|b| {
                    b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-')
                })
        };
        if text.len() > MAX_COLLECTION_BYTES || !text.split('/').all(part) {
            return Err(Error::invalid(
                "collection",
                format!(
                    "must be lower-case words joined by `/`, such as `{BUILT_IN}/contacts`, \
                     of at most {MAX_COLLECTION_BYTES} bytes."
                ),
            ));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for CollectionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for CollectionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for CollectionName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for CollectionName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(|error: Error| de::Error::custom(error.detail))
    }
}

/// A set of records of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collection {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its name, unique within the tenant.
    pub name: CollectionName,
    /// How many records it holds.
    pub records: u64,
    /// When its first record arrived.
    pub created_at: Timestamp,
    /// When a record last changed.
    pub updated_at: Timestamp,
}

/// One record of a collection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What identifies it within its collection: the provider's id, or an e-mail address.
    pub key: String,
    /// Its fields.
    pub data: Map<String, Value>,
    /// [`row_hash`](crate::flow::row_hash) of its fields.
    pub hash: Digest,
    /// Where it came from: a data flow, a run or a person.
    pub source: String,
    /// When it first arrived.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Appends one record as a line of JSON Lines, `{"data":{...},"key":"..."}`: the fields as they
/// are, whatever they hold and however they are called.
pub fn write_jsonl(key: &str, data: Map<String, Value>, out: &mut Vec<u8>) {
    let line = [("key".to_owned(), key.into()), ("data".to_owned(), data.into())];
    // The canonical form sorts the members, so that two exports of the same records are the same.
    crate::canonical::write_object(&line.into_iter().collect(), out);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_paths_of_plain_words() {
        for good in ["contacts", "digisol_crm/contacts", "a/b/c", "hub-spot/deals2"] {
            assert_eq!(good.parse::<CollectionName>().unwrap().as_str(), good);
        }
        let long = "a".repeat(MAX_COLLECTION_BYTES + 1);
        for bad in ["", "/", "a/", "/a", "a//b", "A", "a b", "../x", "1a", "a/%2e", "é", &long] {
            assert!(bad.parse::<CollectionName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn json_lines_are_one_line_each_and_stable() {
        let Value::Object(data) = json!({"note": "two\nlines", "key": 1.0, "a": null}) else {
            unreachable!()
        };
        let mut out = Vec::new();
        write_jsonl("crm:\"7\"", data, &mut out);
        let line = r#"{"data":{"a":null,"key":1,"note":"two\nlines"},"key":"crm:\"7\""}"#;
        assert_eq!(String::from_utf8(out).unwrap(), format!("{line}\n"));
    }
}
