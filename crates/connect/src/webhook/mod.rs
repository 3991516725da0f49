//! Who is calling us: signatures on raw bytes, in constant time, within a time window. And what we
//! send ourselves, signed.

mod challenge;
mod deliver;
mod digest;
mod events;
mod outgoing;
#[cfg(test)]
mod tests;
mod verify;

use connectus_core::{Code, Error};
use http::HeaderMap;

pub use challenge::{Reply, VERIFY_TOKEN, challenge};
pub use deliver::{EXCERPT_BYTES, Receipt, TIMEOUT, deliver};
pub use events::{InboundEvent, MAX_EVENTS, events, form_fields, form_text};
pub use outgoing::{SignedHeaders, new_secret, sign};
pub use verify::{TOLERANCE_SECS, verify, verify_signed};

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

impl<'a> Delivery<'a> {
    fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A query parameter, percent-decoded.
    fn parameter(&self, name: &str) -> Option<String> {
        let (_, query) = self.url.split_once('?')?;
        let query = query.split_once('#').map_or(query, |(query, _)| query);
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }
}

/// The same words whatever is wrong, so that nobody can feel their way.
fn bad_signature(cause: &str) -> Error {
    let detail = "The delivery is not signed by the provider with this endpoint's secret, or it \
                  is too old.";
    Error::new(Code::BadSignature, detail).caused_by(cause)
}
