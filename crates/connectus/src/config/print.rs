//! The configuration in force as a settings file that could be read again, but for its secrets.

use std::fmt::Write as _;

use figment::{Figment, value::Value};

use super::{entry, manual};

/// What stands in place of a secret.
const REDACTED: &str = "[redacted]";

/// Settings whose whole value is a secret.
const SECRETS: &[&str] = &[
    "keys.master_key",
    "auth.service_secret",
    "auth.jwt_secret",
    "ai.openai_api_key",
    "ai.deepseek_api_key",
    "ai.kimi_api_key",
    "ai.tavily_api_key",
    "ai.logoai_api_key",
];

/// Settings that are URLs, in which a password or token may hide.
const URLS: &[&str] = &[
    "data.database_url",
    "smtp.url",
    "redis.url",
    "celery.broker_url",
    "celery.result_backend",
    "digitalcloud360.api_url",
    "digitalcloud360.webhook_url",
];

pub(super) fn render(figment: &Figment) -> String {
    let mut text = String::from("# The settings in force and, where changed, who changed them.\n");
    let mut section = "";
    for (path, default) in manual::settings() {
        let Some((of, name)) = path.split_once('.') else { continue };
        if of != section {
            section = of;
            let _ = write!(text, "\n[{section}]\n");
        }
        let value = figment.find_value(path).ok();
        let shown = value.map_or_else(|| default.clone(), |value| shown(path, &value));
        let origin = figment.find_metadata(path).map(|found| found.name.as_ref());
        match origin.filter(|origin| *origin != entry::DEFAULT) {
            Some(origin) => writeln!(text, "{name} = {shown}  # {origin}"),
            None => writeln!(text, "{name} = {shown}"),
        }
        .unwrap_or_default();
    }
    text
}

fn shown(path: &str, value: &Value) -> toml::Value {
    let plain = toml::Value::try_from(value).unwrap_or_else(|_| REDACTED.into());
    match plain.as_str() {
        Some("") | None => plain,
        Some(_) if SECRETS.contains(&path) => REDACTED.into(),
        Some(text) if URLS.contains(&path) => without_credentials(text).into(),
        Some(_) => plain,
    }
}

/// A URL with only the parts that are no secret: what cannot be read is one as a whole.
fn without_credentials(text: &str) -> String {
    let Ok(mut url) = url::Url::parse(text) else { return REDACTED.to_owned() };
    if url.cannot_be_a_base() {
        return REDACTED.to_owned();
    }
    let hidden = url.password().is_some() && url.set_password(Some("redacted")).is_err();
    if url.query().is_some() {
        url.set_query(Some("redacted"));
    }
    url.set_fragment(None);
    if hidden { REDACTED.to_owned() } else { url.into() }
}
