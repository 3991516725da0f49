//! Texts of settings as values. Each complaint says what would be right and never repeats a secret.

use std::{fmt::Display, net::SocketAddr, path::PathBuf};

use connectus_connect::http::Allowed;
use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, de::Error};
use tracing_subscriber::EnvFilter;
use url::Url;

use super::settings::Role;

/// Fewest characters of a secret that signs tokens: the output size of its hash.
const MIN_SIGNING_SECRET: usize = 32;
/// Longest drain. A process supervisor kills sooner than this anyway.
const MAX_DRAIN_SECS: u64 = 300;
/// Largest value that may be kept in a row: a row is read and written whole.
const MAX_INLINE_KB: u32 = 16_384;
/// Longest wait for a provider: a step is given up later than this.
const MAX_TIMEOUT_SECS: u64 = 300;

fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    String::deserialize(from)
}

fn must_be<T, E: Error>(what: impl Display) -> Result<T, E> {
    Err(E::custom(format!("must be {what}")))
}

pub(super) fn address<'de, D: Deserializer<'de>>(from: D) -> Result<SocketAddr, D::Error> {
    let text = text(from)?;
    // `localhost:8360` is what people write; which address that is must not depend on a resolver.
    let literal = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    match literal.as_deref().unwrap_or(&text).parse() {
        Ok(address) => Ok(address),
        Err(_) => must_be("an address and a port, as 127.0.0.1:8360"),
    }
}

pub(super) fn optional_address<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<SocketAddr>, D::Error> {
    let text = text(from)?;
    match (text.is_empty(), text.parse()) {
        (true, _) => Ok(None),
        (false, Ok(address)) => Ok(Some(address)),
        (false, Err(_)) => must_be("empty, or an address and a port, as 127.0.0.1:9360"),
    }
}

pub(super) fn web_address<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Url>, D::Error> {
    let text = text(from)?;
    if text.is_empty() {
        return Ok(None);
    }
    let url = Url::parse(&text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let plain = |url: &Url| url.username().is_empty() && url.password().is_none();
    match url.filter(plain) {
        Some(url) => Ok(Some(url)),
        None => must_be("an address like https://connectus.example.org, without user or password"),
    }
}

/// A web address whose query may hold a token.
pub(super) fn secret_address<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<SecretString>, D::Error> {
    Ok(web_address(from)?.map(|url| SecretString::from(String::from(url))))
}

pub(super) fn origins<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let origins = Vec::<String>::deserialize(from)?;
    for text in &origins {
        let origin = Url::parse(text).ok().map(|url| url.origin().ascii_serialization());
        if origin.as_deref() != Some(text.as_str()) {
            return must_be("origins like https://app.example.org, without a path");
        }
    }
    Ok(origins)
}

pub(super) fn networks<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<IpNet>, D::Error> {
    let read = |text: &String| match (text.parse(), text.parse::<std::net::IpAddr>()) {
        (Ok(net), _) => Ok(net),
        (_, Ok(address)) => Ok(IpNet::from(address)),
        _ => must_be(format!("addresses or networks, as 10.0.0.0/8; `{text}` is neither")),
    };
    Vec::<String>::deserialize(from)?.iter().map(read).collect()
}

pub(super) fn roles<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Role>, D::Error> {
    let mut roles = Vec::new();
    for name in Vec::<String>::deserialize(from)? {
        let role = match name.as_str() {
            "api" => Role::Api,
            "worker" => Role::Worker,
            "scheduler" | "beat" => Role::Scheduler,
            _ => return must_be("a list of api, worker and scheduler"),
        };
        if !roles.contains(&role) {
            roles.push(role);
        }
    }
    if roles.is_empty() {
        return must_be("at least one of api, worker and scheduler");
    }
    Ok(roles)
}

pub(super) fn seconds_to_drain<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    match u64::deserialize(from) {
        Ok(secs) if secs <= MAX_DRAIN_SECS => Ok(secs),
        _ => must_be(format!("from 0 to {MAX_DRAIN_SECS}")),
    }
}

pub(super) fn timeout<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    match u64::deserialize(from) {
        Ok(secs) if (1..=MAX_TIMEOUT_SECS).contains(&secs) => Ok(secs),
        _ => must_be(format!("from 1 to {MAX_TIMEOUT_SECS}")),
    }
}

/// Shorter, and deliveries that are still in their log could not be sent again.
const MIN_EVENT_DAYS: u32 = 31;

pub(super) fn event_days<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    match u32::deserialize(from) {
        Ok(days) if days == 0 || days >= MIN_EVENT_DAYS => Ok(days),
        _ => must_be(format!("0, or {MIN_EVENT_DAYS} or more")),
    }
}

pub(super) fn inline_kb<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    match u32::deserialize(from) {
        Ok(size) if (1..=MAX_INLINE_KB).contains(&size) => Ok(size),
        _ => must_be(format!("1 to {MAX_INLINE_KB}")),
    }
}

/// Most calls at once that a setting may allow.
const MAX_AT_ONCE: usize = 1_000;

pub(super) fn at_once<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
    match usize::deserialize(from) {
        Ok(calls) if (1..=MAX_AT_ONCE).contains(&calls) => Ok(calls),
        _ => must_be(format!("1 to {MAX_AT_ONCE}")),
    }
}

pub(super) fn path<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PathBuf>, D::Error> {
    Ok(Some(text(from)?).filter(|text| !text.is_empty()).map(PathBuf::from))
}

pub(super) fn secret<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SecretString>, D::Error> {
    Ok(Some(text(from)?).filter(|text| !text.is_empty()).map(SecretString::from))
}

pub(super) fn long_secret<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<SecretString>, D::Error> {
    let secret = secret(from)?;
    match &secret {
        Some(secret) if secret.expose_secret().len() < MIN_SIGNING_SECRET => {
            must_be(format!("at least {MIN_SIGNING_SECRET} characters long"))
        }
        _ => Ok(secret),
    }
}

pub(super) fn postgres<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<SecretString>, D::Error> {
    let url = secret(from)?;
    let known = |url: &SecretString| {
        let url = url.expose_secret();
        url.starts_with("postgres://") || url.starts_with("postgresql://")
    };
    match &url {
        Some(url) if !known(url) => {
            must_be("empty for SQLite, or a URL like postgres://user@host/name")
        }
        _ => Ok(url),
    }
}

pub(super) fn log_filter<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = text(from)?;
    match EnvFilter::try_new(&text) {
        Ok(_) => Ok(text),
        Err(_) => must_be("error, warn, info, debug, trace, or as info,connectus_engine=debug"),
    }
}

pub(super) fn level<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<tracing::Level>, D::Error> {
    let text = text(from)?;
    match text.parse() {
        Ok(level) => Ok(Some(level)),
        Err(_) if text.eq_ignore_ascii_case("off") => Ok(None),
        Err(_) => must_be("error, warn, info, debug, trace or off"),
    }
}

pub(super) fn allowed<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Allowed>, D::Error> {
    let entries = Vec::<String>::deserialize(from)?;
    let read = |text: &String| {
        text.parse().or_else(|_| {
            must_be(format!("networks or address:port, as 10.1.0.0/16; `{text}` is neither"))
        })
    };
    entries.iter().map(read).collect()
}

pub(super) fn ports<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u16>, D::Error> {
    let read = |text: &String| match text.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => must_be(format!("port numbers in quotes; `{text}` is none")),
    };
    Vec::<String>::deserialize(from)?.iter().map(read).collect()
}

pub(super) fn numbers<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<(String, u64)>, D::Error> {
    let read = |text: &String| {
        let pair = text
            .split_once('=')
            .and_then(|(name, number)| Some((name.trim().to_owned(), number.trim().parse().ok()?)));
        match pair {
            Some(pair) => Ok(pair),
            None => must_be(format!("texts as workflow=128; `{text}` is none")),
        }
    };
    Vec::<String>::deserialize(from)?.iter().map(read).collect()
}

pub(super) fn timeout_status<'de, D: Deserializer<'de>>(from: D) -> Result<u16, D::Error> {
    match u16::deserialize(from) {
        Ok(status @ (504 | 500)) => Ok(status),
        _ => must_be("504 or 500"),
    }
}
