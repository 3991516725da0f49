//! The signature schemes.

use base64::{Engine, engine::general_purpose::STANDARD};
use connectus_core::{
    Result, Timestamp,
    provider::{DigestEncoding, SignatureScheme, TimeUnit, Triggers},
};
use secrecy::{ExposeSecret, SecretString};

use super::{
    Delivery, bad_signature,
    digest::{hmac_sha256, same, sha256},
    outgoing,
};
use crate::Secrets;

/// How far a signed time may be from ours, in seconds, either way.
pub const TOLERANCE_SECS: i64 = 300;

/// Verifies that the provider sent this. Of the pack's schemes, the first whose header is present
/// decides alone: a bad strong signature is not saved by a weak one.
///
/// # Errors
/// `bad_signature`, the same words whatever is wrong.
pub fn verify(
    triggers: &Triggers,
    secrets: &Secrets,
    delivery: Delivery<'_>,
    now: Timestamp,
) -> Result<()> {
    let scheme = triggers.signatures.iter().find(|scheme| is_present(scheme, delivery));
    let Some(scheme) = scheme else { return Err(bad_signature("no signature")) };
    let Some(secret) = secrets.get(scheme.secret()) else {
        return Err(bad_signature("this integration holds no secret to verify with"));
    };
    verify_signed(scheme, std::slice::from_ref(secret), delivery, now)
}

/// Verifies that whoever knows one of the secrets sent this.
///
/// # Errors
/// As [`verify`].
pub fn verify_signed(
    scheme: &SignatureScheme,
    secrets: &[SecretString],
    delivery: Delivery<'_>,
    now: Timestamp,
) -> Result<()> {
    if !is_present(scheme, delivery) {
        return Err(bad_signature("no signature"));
    }
    let verdicts = secrets
        .iter()
        .map(|secret| check(scheme, secret.expose_secret().as_bytes(), delivery, now));
    // All are tried, so that the time taken does not tell which one it was.
    let verdict = verdicts.fold(None, |best: Option<bool>, verdict| match (best, verdict) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (best, verdict) => best.or(verdict),
    });
    match verdict {
        Some(true) => Ok(()),
        Some(false) => Err(bad_signature("the signature does not match")),
        None => Err(bad_signature("the signature or its time cannot be read, or is too old")),
    }
}

fn is_present(scheme: &SignatureScheme, delivery: Delivery<'_>) -> bool {
    let version = || delivery.header("x-hubspot-signature-version").unwrap_or("v1");
    let has = |name: &str| delivery.headers.contains_key(name);
    match scheme {
        SignatureScheme::HubspotV3 { .. } => has("x-hubspot-signature-v3"),
        SignatureScheme::HubspotV2 { .. } => has("x-hubspot-signature") && version() == "v2",
        SignatureScheme::HubspotV1 { .. } => has("x-hubspot-signature") && version() == "v1",
        SignatureScheme::SlackV0 { .. } => has("x-slack-signature"),
        SignatureScheme::MetaSha256 { .. } => has("x-hub-signature-256"),
        SignatureScheme::StandardWebhooks { .. } => has("webhook-signature"),
        SignatureScheme::Hmac { header, .. } => has(header),
        SignatureScheme::SecretUrl { parameter, .. } => delivery.parameter(parameter).is_some(),
    }
}

/// Whether it matches; `None` when a part is missing, unreadable or too old.
fn check(
    scheme: &SignatureScheme,
    secret: &[u8],
    delivery: Delivery<'_>,
    now: Timestamp,
) -> Option<bool> {
    let Delivery { method, url, body, .. } = delivery;
    Some(match scheme {
        SignatureScheme::HubspotV3 { .. } => {
            let theirs = delivery.header("x-hubspot-signature-v3")?;
            let time = delivery.header("x-hubspot-request-timestamp")?;
            fresh(time, TimeUnit::Milliseconds, now)?;
            // HubSpot signs the URI with some escapes decoded, its own libraries do not agree on
            // it: either form proves that the sender knows the secret.
            let decoded = decode_listed(url);
            [url, decoded.as_str()].iter().fold(false, |found, uri| {
                let parts: [&[u8]; 4] = [method.as_bytes(), uri.as_bytes(), body, time.as_bytes()];
                let ours = STANDARD.encode(hmac_sha256(secret, &parts));
                found | same(ours.as_bytes(), theirs.as_bytes())
            })
        }
        SignatureScheme::HubspotV2 { .. } => {
            let parts: [&[u8]; 4] = [secret, method.as_bytes(), url.as_bytes(), body];
            same_hex(&sha256(&parts), delivery.header("x-hubspot-signature")?)
        }
        SignatureScheme::HubspotV1 { .. } => {
            same_hex(&sha256(&[secret, body]), delivery.header("x-hubspot-signature")?)
        }
        SignatureScheme::SlackV0 { .. } => {
            let theirs = delivery.header("x-slack-signature")?.strip_prefix("v0=")?;
            let time = delivery.header("x-slack-request-timestamp")?;
            fresh(time, TimeUnit::Seconds, now)?;
            let ours = hmac_sha256(secret, &[b"v0:", time.as_bytes(), b":", body]);
            same_hex(&ours, theirs)
        }
        SignatureScheme::MetaSha256 { .. } => {
            let theirs = delivery.header("x-hub-signature-256")?.strip_prefix("sha256=")?;
            same_hex(&hmac_sha256(secret, &[body]), theirs)
        }
        SignatureScheme::StandardWebhooks { .. } => {
            let id = delivery.header("webhook-id")?;
            let time = delivery.header("webhook-timestamp")?;
            fresh(time, TimeUnit::Seconds, now)?;
            let key = outgoing::key_of(std::str::from_utf8(secret).ok()?)?;
            let ours = outgoing::signature(&key, id, time, body);
            let mut offered = delivery.header("webhook-signature")?.split_ascii_whitespace();
            offered.any(|theirs| same(ours.as_bytes(), theirs.as_bytes()))
        }
        SignatureScheme::Hmac { header, prefix, encoding, .. } => {
            let theirs = delivery.header(header)?.strip_prefix(prefix.as_str())?;
            let ours = hmac_sha256(secret, &[body]);
            match encoding {
                DigestEncoding::Hex => same_hex(&ours, theirs),
                DigestEncoding::Base64 => same(STANDARD.encode(ours).as_bytes(), theirs.as_bytes()),
            }
        }
        SignatureScheme::SecretUrl { parameter, .. } => {
            same(secret, delivery.parameter(parameter)?.as_bytes())
        }
    })
}

fn same_hex(ours: &[u8], theirs: &str) -> bool {
    same(hex::encode(ours).as_bytes(), theirs.to_ascii_lowercase().as_bytes())
}

/// Plain decimal digits, close enough to now.
fn fresh(text: &str, unit: TimeUnit, now: Timestamp) -> Option<()> {
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: i64 = text.parse().ok()?;
    let at = match unit {
        TimeUnit::Seconds => Timestamp::from_secs(number),
        TimeUnit::Milliseconds => Timestamp::from_millis(number),
    };
    let apart = now.0.checked_sub(at.0)?.unsigned_abs();
    (apart <= TOLERANCE_SECS.unsigned_abs() * 1_000_000).then_some(())
}

/// The twelve escapes HubSpot's documentation says to decode, once, upper or lower case.
fn decode_listed(url: &str) -> String {
    const LISTED: &[(&str, char)] = &[
        ("3A", ':'),
        ("2F", '/'),
        ("3F", '?'),
        ("40", '@'),
        ("21", '!'),
        ("24", '$'),
        ("27", '\''),
        ("28", '('),
        ("29", ')'),
        ("2A", '*'),
        ("2C", ','),
        ("3B", ';'),
    ];
    let mut decoded = String::with_capacity(url.len());
    let mut rest = url;
    while let Some((before, after)) = rest.split_once('%') {
        decoded.push_str(before);
        let escape = after.get(..2).unwrap_or_default();
        match LISTED.iter().find(|(code, _)| code.eq_ignore_ascii_case(escape)) {
            Some((_, plain)) => {
                decoded.push(*plain);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                decoded.push('%');
                rest = after;
            }
        }
    }
    decoded.push_str(rest);
    decoded
}
