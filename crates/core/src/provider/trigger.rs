//! What a provider tells us by webhook, and how we know that it was the provider.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Paths;

/// What a provider tells us.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Triggers {
    /// Accepted signatures, strongest first. The first whose header is present decides.
    pub signatures: Vec<SignatureScheme>,
    /// Where things stand in a delivery.
    pub envelope: Envelope,
    /// Events that can start a workflow.
    pub events: Vec<EventInfo>,
    /// How the provider checks that the address is ours.
    #[serde(default)]
    pub challenge: Option<Challenge>,
}

/// One kind of event.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventInfo {
    /// Its name, as workflows use it.
    pub name: String,
    /// What happened.
    pub description: String,
}

/// Where things stand in a delivery, as dotted paths.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    /// The list of events; empty means the body itself (an object, or a list of them). A `*`
    /// stands for every item: `entry.*.changes`.
    #[serde(default)]
    pub events: String,
    /// The event's id, for deduplication. Where the sender gives none, the values that together
    /// are one; those an event does not have are left out.
    pub id: Paths,
    /// The event's name.
    pub name: String,
    /// When it happened.
    #[serde(default)]
    pub occurred_at: Option<String>,
    /// The unit of `occurred_at`.
    #[serde(default)]
    pub occurred_unit: TimeUnit,
    /// The id of the thing it is about.
    #[serde(default)]
    pub object_id: Option<String>,
    /// Renames events whose name is generic; the first rule that matches decides.
    #[serde(default)]
    pub rename: Vec<NameRule>,
}

/// Names an event after several of its values.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NameRule {
    /// Path -> value, all of which must hold.
    pub when: BTreeMap<String, String>,
    /// The event's name then.
    pub name: String,
}

/// The unit of a number that is a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeUnit {
    /// Seconds since the epoch.
    #[default]
    Seconds,
    /// Milliseconds since the epoch.
    Milliseconds,
}

/// How a delivery is signed. `secret` names the credential field that holds the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum SignatureScheme {
    /// base64 HMAC-SHA256 of method, URI, body and a time in milliseconds.
    HubspotV3 {
        /// The credential field.
        secret: String,
    },
    /// hex SHA-256 of secret, method, URI and body.
    HubspotV2 {
        /// The credential field.
        secret: String,
    },
    /// hex SHA-256 of secret and body.
    HubspotV1 {
        /// The credential field.
        secret: String,
    },
    /// `v0=` hex HMAC-SHA256 of `v0:time:body`.
    SlackV0 {
        /// The credential field.
        secret: String,
    },
    /// `sha256=` hex HMAC-SHA256 of the body.
    MetaSha256 {
        /// The credential field.
        secret: String,
    },
    /// Standard Webhooks: `v1,` base64 HMAC-SHA256 of `id.time.body`.
    StandardWebhooks {
        /// The credential field; the value starts with `whsec_`.
        secret: String,
    },
    /// HMAC-SHA256 of the body in a header of the provider's choice.
    Hmac {
        /// The credential field.
        secret: String,
        /// The header.
        header: String,
        /// Text before the digest.
        #[serde(default)]
        prefix: String,
        /// How the digest is written.
        #[serde(default)]
        encoding: DigestEncoding,
    },
    /// Not signed: a secret in the URL's query.
    SecretUrl {
        /// The credential field.
        secret: String,
        /// The query parameter that carries it.
        parameter: String,
    },
}

impl SignatureScheme {
    /// The credential field that holds the key.
    pub fn secret(&self) -> &str {
        match self {
            Self::HubspotV3 { secret }
            | Self::HubspotV2 { secret }
            | Self::HubspotV1 { secret }
            | Self::SlackV0 { secret }
            | Self::MetaSha256 { secret }
            | Self::StandardWebhooks { secret }
            | Self::Hmac { secret, .. }
            | Self::SecretUrl { secret, .. } => secret,
        }
    }
}

/// How a digest is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DigestEncoding {
    /// Lower-case hexadecimal.
    #[default]
    Hex,
    /// Standard base 64.
    Base64,
}

/// How a provider checks that an address is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Challenge {
    /// A signed POST `{"type":"url_verification","challenge":...}`; echo the challenge.
    SlackUrlVerification,
    /// A GET with `hub.mode`, `hub.verify_token` and `hub.challenge`; echo if the token is ours.
    MetaHub,
    /// A bare GET; answer 200.
    PlainGet,
}
