//! The `hash` step: a value that can be compared but not read.
//!
//! Without a salt it is the SHA-256 of the text, the form in which advertising services match
//! addresses. With a salt it is HMAC-SHA-256 keyed with it. Rules carry the salt's name only.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

use super::{
    rule::{Pointer, members, text},
    step::{plain_text, shown},
};
use crate::{canonical::Digest, error::FieldError};

/// Longest name of a salt, in bytes.
const MAX_NAME_BYTES: usize = 64;

#[derive(Clone)]
pub(super) struct Hash {
    salt: Option<Salt>,
}

#[derive(Clone)]
struct Salt {
    name: Box<str>,
    value: Option<Vec<u8>>,
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The salt's value is a secret.
        f.debug_struct("Hash").field("salt", &self.salt()).finish_non_exhaustive()
    }
}

impl Hash {
    pub(super) fn compile(options: &Value, at: &Pointer) -> Result<Self, FieldError> {
        if options.as_str() == Some("sha256") {
            return Ok(Self { salt: None });
        }
        let members = members(options, &["algorithm", "salt"], at)?;
        if !matches!(text(members, "algorithm", at)?, None | Some("sha256")) {
            return Err(at.key("algorithm").error("must be \"sha256\"."));
        }
        let salt = match text(members, "salt", at)? {
            None => None,
            Some(name) => {
                let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
                if !(1..=MAX_NAME_BYTES).contains(&name.len()) || !name.bytes().all(plain) {
                    return Err(at.key("salt").error(
                        "is the name of a stored secret: letters, digits, `_` and `-`, \
                         not its value.",
                    ));
                }
                Some(Salt { name: name.into(), value: None })
            }
        };
        Ok(Self { salt })
    }

    pub(super) fn salt(&self) -> Option<&str> {
        self.salt.as_ref().map(|salt| &*salt.name)
    }

    pub(super) fn bind(&mut self, value: Vec<u8>) {
        if let Some(salt) = &mut self.salt {
            salt.value = Some(value);
        }
    }

    pub(super) fn run(&self, value: &Value) -> Result<Value, String> {
        let text = plain_text(value)
            .ok_or_else(|| format!("{} cannot be hashed; cast it first.", shown(value)))?;
        let digest = match &self.salt {
            None => Digest::of(text.as_bytes()),
            Some(Salt { name, value: None }) => {
                return Err(format!("the salt `{name}` is not set; store it in the settings."));
            }
            Some(Salt { value: Some(key), .. }) => {
                let mut mac = Hmac::<Sha256>::new_from_slice(key)
                    .map_err(|_| "the salt cannot be used as a key.".to_owned())?;
                mac.update(text.as_bytes());
                Digest(mac.finalize().into_bytes().into())
            }
        };
        Ok(Value::String(digest.to_string()))
    }
}
