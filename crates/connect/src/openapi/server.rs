//! Where the service of a document lives.

use connectus_core::{Error, Result, provider::Setting};
use serde_json::Value;
use url::Url;

use super::text_of;

/// Where a service lives.
pub(super) struct Place {
    pub base_url: String,
    pub host: String,
    pub settings: Vec<Setting>,
}

/// The first server with an address of its own.
pub(super) fn of(document: &Value) -> Result<Place> {
    let servers = document.get("servers").and_then(Value::as_array).into_iter().flatten();
    let found = servers.filter_map(place).next();
    found.ok_or_else(|| {
        Error::invalid(
            "servers",
            "must name the service by an address that begins with https:// and a host, such as \
             https://api.example.com/v1; add one.",
        )
    })
}

fn place(server: &Value) -> Option<Place> {
    let url = text_of(server.get("url"));
    let url = url.trim_end_matches('/');
    if !url.starts_with("https://") || url.contains("{{") || url.contains("{%") {
        return None;
    }
    let mut base_url = url.to_owned();
    // With each variable in place of which something plain stands, it must be an address.
    let mut sample = url.to_owned();
    let mut settings = Vec::new();
    let variables = server.get("variables").and_then(Value::as_object);
    for (name, variable) in variables.into_iter().flatten() {
        let hole = format!("{{{name}}}");
        let setting = super::snake(name);
        if !url.contains(&hole) || setting.is_empty() {
            continue;
        }
        base_url = base_url.replace(&hole, &format!("{{{{ config.{setting} }}}}"));
        sample = sample.replace(&hole, "x");
        let default = text_of(variable.get("default"));
        settings.push(Setting {
            name: setting,
            description: super::short(&text_of(variable.get("description"))),
            required: default.is_empty(),
            default: (!default.is_empty()).then_some(default),
        });
    }
    let parsed =
        Url::parse(&sample).ok().filter(|url| !sample.contains('{') && url.port().is_none());
    let host = parsed?.host_str()?.to_owned();
    let written = url.trim_start_matches("https://").split('/').next()?;
    // A variable may stand for the first name of the host, whose domain is then fixed.
    let host = match written.split_once('.') {
        _ if !written.contains('{') => host,
        Some((first, domain)) if !domain.contains('{') && domain.contains('.') => {
            first.starts_with('{').then(|| format!("*.{domain}"))?
        }
        _ => return None,
    };
    Some(Place { base_url, host, settings })
}
