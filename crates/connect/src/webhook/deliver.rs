//! One attempt to deliver an event to a subscriber.

use std::time::Duration;

use bytes::Bytes;
use connectus_core::Result;
use http::Method;

use super::SignedHeaders;
use crate::http::{Guarded, GuardedRequest};

/// How long a subscriber may take to answer.
pub const TIMEOUT: Duration = Duration::from_secs(15);
/// So much of the answer is kept, in bytes.
pub const EXCERPT_BYTES: usize = 1_024;

/// What a subscriber answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The status. A redirect is an answer like any other: nobody follows it.
    pub status: u16,
    /// The beginning of the body, as text.
    pub excerpt: String,
    /// In how many seconds it wants to be asked again.
    pub retry_after: Option<u64>,
}

impl Receipt {
    /// Whether the subscriber has taken the delivery: 2xx and nothing else.
    pub fn is_taken(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Posts a signed delivery.
///
/// # Errors
/// `egress_denied` for an address that is not allowed, `timeout`, `provider_unavailable`.
pub async fn deliver(
    http: &Guarded,
    url: &str,
    signed: &SignedHeaders,
    body: impl Into<Bytes>,
) -> Result<Receipt> {
    let mut request = GuardedRequest::new(Method::POST, url)
        .header("webhook-id", &signed.id)?
        .header("webhook-timestamp", &signed.timestamp)?
        .header("webhook-signature", &signed.signature)?
        .body("application/json", body);
    request.timeout = Some(TIMEOUT);
    request.keep = Some(EXCERPT_BYTES);
    let response = http.send(request).await?;
    // Neither database takes a zero byte in a text, and a cut may have split a character.
    let excerpt = String::from_utf8_lossy(&response.body).replace('\0', "\u{fffd}");
    let retry_after = response.retry_after_secs();
    Ok(Receipt { status: response.status, excerpt, retry_after })
}
