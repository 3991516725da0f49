//! `webhook` with `endpoint`: an address of the workflow's own, with its own secret.

use serde::Deserialize;
use serde_json::Value;

use crate::{
    Error, Result,
    named::named,
    provider::{DigestEncoding, SignatureScheme},
    workflow::Span,
};

/// The name under which an endpoint's secret is known to its signature scheme.
pub const SECRET: &str = "secret";
/// Longest name of a header, in bytes.
const MAX_HEADER_BYTES: usize = 100;

/// How calls to the address are signed and told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// How they are signed.
    pub signature: Signature,
    /// The header that identifies a call. Without one, equal bodies are the same call.
    pub id_header: Option<String>,
    /// How long a caller waits for the run to end; without one it is answered at once.
    pub answers_within: Option<Span>,
}

/// How long a caller waits for the run to end when nothing else is said.
pub const ANSWER_WITHIN: Span = Span::from_secs(30);
/// The longest that a caller may wait for a run to end.
pub const MAX_ANSWER_WITHIN: Span = Span::from_secs(60);
/// The shortest.
const MIN_ANSWER_WITHIN: Span = Span::from_secs(1);

named! {
    /// When a call is answered.
    pub enum Respond as "respond" {
        /// When its run is durable.
        AtOnce = "at_once",
        /// When its run has ended, with what it made.
        AtEnd = "at_end",
    }
}

/// How a call is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signature {
    /// Standard Webhooks: `webhook-id`, `webhook-timestamp`, `webhook-signature`.
    Standard,
    /// HMAC-SHA256 of the raw body in a header.
    Header {
        /// The header, in lower case.
        header: String,
        /// Text before the digest.
        prefix: String,
        /// How the digest is written.
        encoding: DigestEncoding,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    header: Option<String>,
    #[serde(default)]
    prefix: String,
    #[serde(default)]
    encoding: DigestEncoding,
    id_header: Option<String>,
    respond: Option<Respond>,
    timeout: Option<Span>,
}

impl Endpoint {
    pub(super) fn read(config: &Value) -> Result<Self> {
        let config = match config {
            Value::Bool(true) => Value::Object(serde_json::Map::new()),
            other => other.clone(),
        };
        let read = Config::deserialize(config);
        let read = read.map_err(|error| Error::invalid("endpoint", error.to_string()))?;
        let id_header =
            read.id_header.as_deref().map(|name| header("endpoint/id_header", name)).transpose()?;
        let answers_within = answers_within(read.respond, read.timeout)?;
        let signature = match read.header {
            Some(name) => Signature::Header {
                header: header("endpoint/header", &name)?,
                prefix: read.prefix,
                encoding: read.encoding,
            },
            None if !read.prefix.is_empty() => {
                let message = "belongs to a signature in a `header`; name that, too";
                return Err(Error::invalid("endpoint/prefix", message));
            }
            None => Signature::Standard,
        };
        Ok(Self { signature, id_header, answers_within })
    }

    /// The scheme that verifies a call.
    pub fn scheme(&self) -> SignatureScheme {
        let secret = SECRET.to_owned();
        match &self.signature {
            Signature::Standard => SignatureScheme::StandardWebhooks { secret },
            Signature::Header { header, prefix, encoding } => SignatureScheme::Hmac {
                secret,
                header: header.clone(),
                prefix: prefix.clone(),
                encoding: *encoding,
            },
        }
    }

    /// The header that identifies a call, where one does.
    pub fn id_header(&self) -> Option<&str> {
        match (&self.id_header, &self.signature) {
            (Some(header), _) => Some(header),
            (None, Signature::Standard) => Some("webhook-id"),
            (None, Signature::Header { .. }) => None,
        }
    }
}

fn answers_within(respond: Option<Respond>, timeout: Option<Span>) -> Result<Option<Span>> {
    if respond != Some(Respond::AtEnd) {
        return match timeout {
            None => Ok(None),
            Some(_) => {
                let message = "belongs to `\"respond\": \"at_end\"`; say that, too";
                Err(Error::invalid("endpoint/timeout", message))
            }
        };
    }
    let within = timeout.unwrap_or(ANSWER_WITHIN);
    let allowed = MIN_ANSWER_WITHIN.millis()..=MAX_ANSWER_WITHIN.millis();
    if !allowed.contains(&within.millis()) {
        let message = format!("must be {MIN_ANSWER_WITHIN} to {MAX_ANSWER_WITHIN}");
        return Err(Error::invalid("endpoint/timeout", message));
    }
    Ok(Some(within))
}

fn header(at: &str, name: &str) -> Result<String> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if (1..=MAX_HEADER_BYTES).contains(&name.len()) && name.bytes().all(fits) {
        return Ok(name.to_ascii_lowercase());
    }
    Err(Error::invalid(at, "must be the name of a header, such as `X-Hub-Signature-256`"))
}
