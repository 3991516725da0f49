//! Field names as people write them and as the provider does: `first_name` finds `firstname`.

use connectus_connect::{Plan as Provider, path::JsonPath};
use connectus_core::{
    Error, Result, TenantCtx,
    flow::{DataFlow, Direction, Leg, Mapping, mapping::Redaction},
};
use connectus_store::{Conn, seal::Sealer};
use secrecy::ExposeSecret;
use serde_json::{Map, Value};

/// The member under which HubSpot-shaped schemas declare their fields.
const NESTED_FIELDS: &str = "properties";
/// The same, in front of a field.
const NESTED_PREFIX: &str = "properties.";

/// The mapping of one way of a flow, the provider's fields read as its stream declares them.
///
/// A name the stream declares, or that `sample` holds, is taken as it is. Any other stands for the
/// one declared name that differs only in case and separators, if there is exactly one.
///
/// # Errors
/// What is wrong with the mapping.
pub(crate) fn mapping(
    flow: &DataFlow,
    provider: &Provider,
    leg: Leg,
    sample: Option<&Value>,
) -> Result<Mapping> {
    let declared = declared(provider, &flow.stream);
    let mut flow = flow.clone();
    let outbound = flow.direction == Direction::Outbound;
    let theirs = if outbound { &mut flow.target_fields } else { &mut flow.source_fields };
    let mut renamed = Vec::new();
    for name in theirs {
        let known = declared.contains(name) || sample.is_some_and(|sample| holds(sample, name));
        let mut usual = if known { None } else { in_another_style(name, &declared).cloned() };
        if leg == Leg::Outbound && usual.is_none() {
            // What is read below `properties` is written without saying so.
            usual = name.strip_prefix(NESTED_PREFIX).map(str::to_owned);
        }
        if let Some(usual) = usual {
            renamed.push((std::mem::replace(name, usual.clone()), usual));
        }
    }
    if leg == Leg::Outbound {
        for (name, usual) in renamed {
            rename_rules(&mut flow, outbound, &name, &usual);
        }
    }
    flow.mapping(leg)
}

/// Rules of what is sent are keyed by the provider's fields.
fn rename_rules(flow: &mut DataFlow, outbound: bool, name: &str, usual: &str) {
    let rules = &mut flow.transformation_rules;
    if let Some(Value::Object(own)) = rules.get_mut(Leg::Outbound.name())
        && let Some(rule) = own.remove(name)
    {
        own.insert(usual.to_owned(), rule);
    }
    if outbound && let Some(rule) = rules.remove(name) {
        rules.insert(usual.to_owned(), rule);
    }
}

/// The provider's field as it is written, and the collection's field that fills it: those by which
/// the provider's things are told apart. None where the flow maps no such field.
pub(crate) fn matching(
    flow: &DataFlow,
    provider: &Provider,
    field: &str,
) -> Option<(String, String)> {
    let declared = declared(provider, &flow.stream);
    let usual = |name: &String| -> String {
        let name = name.strip_prefix(NESTED_PREFIX).unwrap_or(name);
        let known = declared.iter().any(|other| other == name);
        let found = if known { None } else { in_another_style(name, &declared) };
        found.map_or_else(|| name.to_owned(), Clone::clone)
    };
    let (theirs, ours) = match flow.direction {
        Direction::Outbound => (&flow.target_fields, &flow.source_fields),
        Direction::Inbound | Direction::Bidirectional => (&flow.source_fields, &flow.target_fields),
    };
    let wanted = usual(&field.to_owned());
    let place = theirs.iter().position(|name| usual(name) == wanted)?;
    Some((wanted, ours.get(place)?.clone()))
}

fn in_another_style<'a>(name: &str, declared: &'a [String]) -> Option<&'a String> {
    let plain = plain(name);
    let mut matching = declared.iter().filter(|other| self::plain(other) == plain);
    match (matching.next(), matching.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
}

/// The purpose of the key with which values are redacted.
const REDACTION: &str = "redaction";

/// Gives a mapping the tenant's key, where it redacts by one.
///
/// # Errors
/// What the database says.
pub(crate) async fn bind_key(
    conn: &mut Conn,
    ctx: &TenantCtx,
    sealer: &Sealer,
    mapping: &mut Mapping,
) -> Result<()> {
    if mapping.needs_key() {
        let key = conn.purpose_key(ctx, sealer, REDACTION).await?;
        mapping.bind_key(key.expose_secret());
    }
    Ok(())
}

/// What identifies the records must still tell them apart when it is redacted.
///
/// # Errors
/// `invalid`, naming the field.
pub(crate) fn check_keys(mapping: &Mapping, keys: &[JsonPath]) -> Result<()> {
    let keys: Vec<String> = keys.iter().map(JsonPath::dotted).collect();
    for (source, how) in mapping.redactions() {
        let is_key = keys.iter().any(|key| {
            let rest = key.strip_prefix(source);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        });
        if is_key && how != Redaction::Hash {
            let message = format!("`{source}` identifies the records: redact it by `hash`.");
            return Err(Error::invalid("/transformation_rules", message));
        }
    }
    Ok(())
}

/// The fields a stream declares, at the top and under `properties`.
pub(crate) fn declared(provider: &Provider, stream: &str) -> Vec<String> {
    let Some(schema) = provider.schema_of(stream) else { return Vec::new() };
    let members = |schema: &Value| schema.get("properties").and_then(Value::as_object).cloned();
    let top = members(&schema).unwrap_or_default();
    let nested: Map<String, Value> = top.get(NESTED_FIELDS).and_then(members).unwrap_or_default();
    top.into_iter().chain(nested).map(|(name, _)| name).collect()
}

fn holds(sample: &Value, name: &str) -> bool {
    let at = |fields: &Value| fields.get(name).is_some();
    at(sample) || sample.get(NESTED_FIELDS).is_some_and(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_match_counts_and_two_do_not() {
        let declared = ["firstname", "lastName", "a_b", "ab"].map(str::to_owned);
        for (name, expected) in [
            ("first_name", Some("firstname")),
            ("FirstName", Some("firstname")),
            ("last-name", Some("lastName")),
            ("A_B", None),
            ("unknown", None),
        ] {
            assert_eq!(in_another_style(name, &declared).map(String::as_str), expected, "{name}");
        }
    }
}
