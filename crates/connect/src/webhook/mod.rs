//! Who is calling us: signatures on raw bytes, in constant time, within a time window.

use connectus_core::{Error, Result, Timestamp, provider::Triggers};
use http::HeaderMap;
use serde_json::Value;

use crate::Secrets;

/// A delivery as it arrived. Nothing of it is trusted.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// `POST`, `GET`.
    pub method: &'a str,
    /// The public URL the sender used, byte for byte, with its query.
    pub url: &'a str,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The raw body.
    pub body: &'a [u8],
}

/// An event of a verified delivery.
#[derive(Clone, Debug, PartialEq)]
pub struct InboundEvent {
    /// The provider's id, for deduplication.
    pub id: String,
    /// Its name after the pack's renaming: `contact.creation`.
    pub name: String,
    /// When it happened, where the provider says.
    pub occurred_at: Option<Timestamp>,
    /// The id of the thing it is about.
    pub object_id: Option<String>,
    /// The event as sent.
    pub payload: Value,
}

/// Verifies that the provider sent this.
///
/// # Errors
/// `bad_signature`, the same words whatever is wrong.
pub fn verify(
    triggers: &Triggers,
    secrets: &Secrets,
    delivery: Delivery<'_>,
    now: Timestamp,
) -> Result<()> {
    let _ = (triggers, secrets, delivery, now);
    Err(Error::internal("not yet"))
}

/// The answer to a provider that checks whether the address is ours; `None` for an ordinary
/// delivery. `Some((status, content_type, body))`.
///
/// # Errors
/// `bad_signature` when the check itself must be signed and is not.
pub fn challenge(
    triggers: &Triggers,
    secrets: &Secrets,
    delivery: Delivery<'_>,
    now: Timestamp,
) -> Result<Option<Reply>> {
    let _ = (triggers, secrets, delivery, now);
    Ok(None)
}

/// What to answer to a challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The content type.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

/// The events of a verified delivery.
///
/// # Errors
/// `bad_request` when the body is not what the pack describes.
pub fn events(triggers: &Triggers, body: &[u8]) -> Result<Vec<InboundEvent>> {
    let _ = (triggers, body);
    Ok(Vec::new())
}
