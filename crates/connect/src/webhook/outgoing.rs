//! What Connectus itself sends, signed by the Standard Webhooks rules.

use base64::{Engine, engine::general_purpose::STANDARD};
use connectus_core::{Env, Error, Result, Timestamp};
use secrecy::{ExposeSecret, SecretString};

use super::digest::hmac_sha256;

/// Marks a Standard Webhooks secret.
const PREFIX: &str = "whsec_";
/// Shortest and longest key the rules allow, in bytes.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The three headers of a signed delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedHeaders {
    /// `webhook-id`: equal over retries, so that the receiver can drop a second delivery.
    pub id: String,
    /// `webhook-timestamp`: seconds since the epoch.
    pub timestamp: String,
    /// `webhook-signature`: one per secret, so that a receiver can change secrets in peace.
    pub signature: String,
}

/// A fresh secret.
pub fn new_secret(env: &Env) -> SecretString {
    SecretString::from(format!("{PREFIX}{}", STANDARD.encode(env.random::<32>())))
}

/// Signs a delivery with every secret in force, newest first.
///
/// # Errors
/// `invalid` when there is no secret, or one is not of this kind.
pub fn sign(
    secrets: &[SecretString],
    id: &str,
    at: Timestamp,
    body: &[u8],
) -> Result<SignedHeaders> {
    let timestamp = at.secs().to_string();
    let mut signatures = Vec::new();
    for secret in secrets {
        let key = key_of(secret.expose_secret()).ok_or_else(|| {
            Error::invalid("secret", "must be `whsec_` and 24 to 64 bytes base 64")
        })?;
        signatures.push(signature(&key, id, &timestamp, body));
    }
    if signatures.is_empty() {
        return Err(Error::invalid("secret", "a delivery needs at least one secret"));
    }
    Ok(SignedHeaders { id: id.to_owned(), timestamp, signature: signatures.join(" ") })
}

/// The key inside a secret; the prefix may be missing.
pub(super) fn key_of(secret: &str) -> Option<Vec<u8>> {
    let key = STANDARD.decode(secret.strip_prefix(PREFIX).unwrap_or(secret)).ok()?;
    KEY_BYTES.contains(&key.len()).then_some(key)
}

pub(super) fn signature(key: &[u8], id: &str, timestamp: &str, body: &[u8]) -> String {
    let parts: [&[u8]; 5] = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body];
    format!("v1,{}", STANDARD.encode(hmac_sha256(key, &parts)))
}
