//! Prefixed, time-sortable identifiers: `int_01jd...`. A foreign id never type-checks as another.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::time::Timestamp;

/// Longest identifier accepted from outside, in bytes.
pub const MAX_ID_BYTES: usize = 64;

/// An identifier type.
pub trait Id: Sized {
    /// Builds an identifier from its creation time and ten random bytes.
    fn from_parts(at: Timestamp, random: [u8; 10]) -> Self;
}

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Crockford base 32 of a 48-bit millisecond time and 80 random bits (the ULID layout).
fn encode(at: Timestamp, random: [u8; 10]) -> String {
    let millis = u128::try_from(at.millis().max(0)).unwrap_or(0) & 0xffff_ffff_ffff;
    let tail = random.iter().fold(0_u128, |bits, byte| (bits << 8) | u128::from(*byte));
    let bits = (millis << 80) | tail;
    (0..26_u32)
        .rev()
        .map(|index| {
            let digit = usize::try_from((bits >> (index * 5)) & 31).unwrap_or(0);
            char::from(ALPHABET.get(digit).copied().unwrap_or(b'0'))
        })
        .collect()
}

fn well_formed(text: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b':'))
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// The prefix of every generated identifier of this kind.
            pub const PREFIX: &'static str = $prefix;

            /// Takes an identifier as received; `None` when it cannot be one of ours.
            pub fn parse(text: &str) -> Option<Self> {
                well_formed(text).then(|| Self(text.into()))
            }

            /// Takes an identifier from a trusted place: the database or the code itself.
            pub fn trusted(text: impl Into<Box<str>>) -> Self {
                Self(text.into())
            }

            /// The identifier's text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Id for $name {
            fn from_parts(at: Timestamp, random: [u8; 10]) -> Self {
                Self(format!(concat!($prefix, "_{}"), encode(at, random)).into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                Self::parse(&text).ok_or_else(|| de::Error::custom("malformed identifier"))
            }
        }
    )*};
}

ids! {
    /// An organisation whose data is kept apart from all others.
    TenantId = "ten";
    /// A person.
    UserId = "usr";
    /// A bearer API key (the row, not the secret).
    ApiKeyId = "key";
    /// A console login.
    LoginId = "lgn";
    /// A chain of rotating refresh tokens.
    TokenFamilyId = "fam";
    /// A tenant's connection to a provider.
    IntegrationId = "int";
    /// Sealed secrets of an integration.
    CredentialId = "cred";
    /// An address at which a provider delivers webhooks.
    EndpointId = "hook";
    /// A data flow.
    FlowId = "flow";
    /// What a sync of a data flow would do.
    FlowPlanId = "plan";
    /// A workflow.
    WorkflowId = "wf";
    /// A test of a workflow that is kept.
    WorkflowTestId = "wtest";
    /// One durable execution.
    RunId = "run";
    /// A row a data flow could not take.
    RejectedRowId = "rej";
    /// A fact that happened.
    EventId = "evt";
    /// An entry of the health log.
    HealthLogId = "hlog";
    /// A row of the audit log.
    AuditId = "aud";
    /// Someone who wants to be told of events.
    SubscriptionId = "wsub";
    /// An event on its way to a subscriber.
    DeliveryId = "dlv";
    /// Of which events people are told, and how.
    NotificationRuleId = "nrule";
    /// Events that people are told of.
    NotificationId = "ntf";
    /// A process of this installation, from its start to its end.
    WorkerId = "wrk";
    /// One HTTP request.
    RequestId = "req";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_by_creation_time() {
        let early = RunId::from_parts(Timestamp::from_secs(1_000), [255; 10]);
        let late = RunId::from_parts(Timestamp::from_secs(1_001), [0; 10]);
        assert!(early < late);
        assert_eq!(late.as_str(), "run_000000yhh80000000000000000");
    }

    #[test]
    fn refuses_what_cannot_be_an_identifier() {
        for text in ["", "a b", "x/../y", "naïve", &"x".repeat(65), "a\0"] {
            assert!(RunId::parse(text).is_none(), "{text:?}");
        }
        assert!(RunId::parse("run_00000z7r8g").is_some());
    }
}
