//! The `redact` step: from here on a value cannot be read.
//!
//! What stands before it in a rule sees the value as it is, so that it can be brought into one
//! form; what comes after sees what is left. The source record itself gets what is left, so that
//! no other field, no refused row and no plan holds the value either.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

use super::{Mapping, field::FieldMap, rule::Pointer, step::plain_text};
use crate::{canonical::Digest, error::FieldError, named::named};

/// What stands for a value that is not shown.
const MASK: &str = "***";
/// Texts shorter than this are masked as a whole.
const SHORTEST_SHOWN: usize = 8;
/// Characters left at the end.
const SHOWN: usize = 4;

named! {
    /// What is left of a value.
    pub enum Redaction as "redact" {
        /// Nothing but that there is one: `***`.
        Mask = "mask",
        /// A digest under a key of the tenant's: equal values stay equal.
        Hash = "hash",
        /// Nothing at all: null.
        Drop = "drop",
        /// The last four characters, of texts of eight or more.
        Last4 = "last4",
    }
}

#[derive(Clone)]
pub(super) struct Redact {
    pub(super) how: Redaction,
    key: Option<Vec<u8>>,
}

impl fmt::Debug for Redact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The key is a secret.
        f.debug_struct("Redact").field("how", &self.how).finish_non_exhaustive()
    }
}

impl Redact {
    pub(super) fn compile(options: &Value, at: &Pointer) -> Result<Self, FieldError> {
        let how = options
            .as_str()
            .and_then(|name| name.parse().ok())
            .ok_or_else(|| at.error("must be \"mask\", \"hash\", \"drop\" or \"last4\"."))?;
        Ok(Self { how, key: None })
    }

    pub(super) fn bind(&mut self, key: &[u8]) {
        self.key = Some(key.to_vec());
    }

    pub(super) fn run(&self, value: &Value) -> Result<Value, String> {
        let text = || match plain_text(value) {
            Some(text) => text.into_owned(),
            None => crate::canonical::text(value),
        };
        Ok(match self.how {
            Redaction::Mask => Value::from(MASK),
            Redaction::Drop => Value::Null,
            Redaction::Last4 => Value::from(last(&text())),
            Redaction::Hash => {
                let key = self.key.as_ref().ok_or("the tenant's key is not at hand.")?;
                let mut mac = Hmac::<Sha256>::new_from_slice(key)
                    .map_err(|_| "the tenant's key cannot be used.".to_owned())?;
                mac.update(text().as_bytes());
                Value::from(Digest(mac.finalize().into_bytes().into()).to_string())
            }
        })
    }
}

fn last(text: &str) -> String {
    let count = text.chars().count();
    if count < SHORTEST_SHOWN {
        return MASK.to_owned();
    }
    let end: String = text.chars().skip(count - SHOWN).collect();
    format!("{MASK}{end}")
}

impl Mapping {
    /// Whether anything is redacted.
    pub fn redacts(&self) -> bool {
        self.redacted
    }

    /// What is redacted, by source field.
    pub fn redactions(&self) -> Vec<(&str, Redaction)> {
        let each = self.fields.iter();
        each.filter_map(|field| Some((field.source.name(), field.redaction()?.1.how))).collect()
    }

    /// Whether a key is needed, see [`Self::bind_key`].
    pub fn needs_key(&self) -> bool {
        self.redactions().iter().any(|(_, how)| *how == Redaction::Hash)
    }

    /// Supplies the tenant's key.
    pub fn bind_key(&mut self, key: &[u8]) {
        for redact in self.fields.iter_mut().filter_map(FieldMap::redaction_mut) {
            redact.bind(key);
        }
    }

    /// Puts what is left of redacted values in their place in a record. Whatever the outcome, the
    /// values are gone from it.
    ///
    /// # Errors
    /// Every field whose value did not pass what comes before its redaction, by target field. No
    /// message holds a value.
    pub fn redact(&self, record: &mut Value) -> Result<(), Vec<FieldError>> {
        let (mut left, mut wrong) = (Vec::new(), Vec::new());
        for field in &self.fields {
            let Some((at, redact)) = field.redaction() else { continue };
            match field.until(at, record) {
                Ok(value) => left.push((field, value)),
                Err(step) => {
                    left.push((field, Some(Value::Null)));
                    let message = format!(
                        "does not pass `{step}`; its value is not shown, for it is redacted by \
                         `{}`.",
                        redact.how
                    );
                    wrong.push(FieldError { field: field.target.clone(), message });
                }
            }
        }
        for (field, value) in left {
            if let Some(value) = value {
                field.source.put(record, &value);
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left() {
        let run = |name: &str, value: Value| {
            let mut redact = Redact::compile(&Value::from(name), &Pointer::rules()).unwrap();
            redact.bind(b"key");
            redact.run(&value).unwrap()
        };
        assert_eq!(run("mask", Value::from("Ada")), "***");
        assert_eq!(run("mask", serde_json::json!({"a": 1})), "***");
        assert_eq!(run("drop", Value::from("Ada")), Value::Null);
        assert_eq!(run("last4", Value::from("4111111111111234")), "***1234");
        assert_eq!(run("last4", Value::from("1234567")), "***");
        assert_eq!(run("last4", Value::from(12_345_678)), "***5678");
        let digest = run("hash", Value::from("5"));
        assert_eq!(digest.as_str().map(str::len), Some(64));
        assert_eq!(digest, run("hash", Value::from(5.0)), "one number is one value");
        assert_ne!(digest, run("hash", Value::from("6")));
        assert!(Redact::compile(&Value::from("blur"), &Pointer::rules()).is_err());
    }
}
