//! The answer to a provider that checks whether an address is ours.

use connectus_core::{
    Result, Timestamp,
    provider::{Challenge, Triggers},
};
use secrecy::ExposeSecret;
use serde::Deserialize;

use super::{Delivery, bad_signature, digest::same, verify};
use crate::Secrets;

/// Longest challenge echoed, in bytes.
const MAX_CHALLENGE_BYTES: usize = 1024;
/// The credential field with the word agreed on with Meta.
pub const VERIFY_TOKEN: &str = "verify_token";

/// What to answer to a challenge, with status 200.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The content type.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

#[derive(Deserialize)]
struct UrlVerification {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
}

/// The answer to a provider that checks whether the address is ours; `None` for an ordinary
/// delivery, which must then go through [`verify`].
///
/// # Errors
/// `bad_signature` when the check itself must be proven and is not.
pub fn challenge(
    triggers: &Triggers,
    secrets: &Secrets,
    delivery: Delivery<'_>,
    now: Timestamp,
) -> Result<Option<Reply>> {
    match triggers.challenge {
        Some(Challenge::SlackUrlVerification) if delivery.method == "POST" => {
            let Ok(asked) = serde_json::from_slice::<UrlVerification>(delivery.body) else {
                return Ok(None);
            };
            if asked.kind != "url_verification" {
                return Ok(None);
            }
            verify(triggers, secrets, delivery, now)?;
            echo(asked.challenge)
        }
        Some(Challenge::MetaHub) if delivery.method == "GET" => {
            let token = delivery.parameter("hub.verify_token").unwrap_or_default();
            let ours = secrets.get(VERIFY_TOKEN).map(|ours| ours.expose_secret().as_bytes());
            let subscribing = delivery.parameter("hub.mode").as_deref() == Some("subscribe");
            if !subscribing || !ours.is_some_and(|ours| same(ours, token.as_bytes())) {
                return Err(bad_signature("the verify token does not match"));
            }
            echo(delivery.parameter("hub.challenge").unwrap_or_default())
        }
        Some(Challenge::PlainGet) if matches!(delivery.method, "GET" | "HEAD") => {
            Ok(Some(Reply { content_type: "text/plain", body: String::new() }))
        }
        _ => Ok(None),
    }
}

/// Plain text only: an echoed challenge must never become a page of ours.
fn echo(challenge: String) -> Result<Option<Reply>> {
    if challenge.len() > MAX_CHALLENGE_BYTES {
        return Err(bad_signature("the challenge is too long"));
    }
    Ok(Some(Reply { content_type: "text/plain", body: challenge }))
}
