//! Field names as people write them and as the provider does: `first_name` finds `firstname`.

use connectus_connect::{Plan as Pack, packs};
use connectus_core::{
    Result,
    flow::{DataFlow, Leg, Mapping},
    provider::SchemaLoader,
};
use serde_json::{Map, Value};

/// The member under which HubSpot-shaped schemas declare their fields.
const NESTED_FIELDS: &str = "properties";

/// The mapping of a flow, its source fields read as the provider's stream declares them.
///
/// A name the stream declares, or that `sample` holds, is taken as it is. Any other stands for the
/// one declared name that differs only in case and separators, if there is exactly one.
///
/// # Errors
/// What is wrong with the mapping.
pub(crate) fn mapping(flow: &DataFlow, provider: &str, sample: Option<&Value>) -> Result<Mapping> {
    let pack = packs::find(provider)?;
    let declared = declared(&pack, &flow.stream);
    let mut flow = flow.clone();
    for name in &mut flow.source_fields {
        let known = declared.contains(name) || sample.is_some_and(|sample| holds(sample, name));
        if !known && let Some(found) = in_another_style(name, &declared) {
            name.clone_from(found);
        }
    }
    flow.mapping(Leg::Inbound)
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

/// The fields a stream declares, at the top and under `properties`.
fn declared(pack: &Pack, stream: &str) -> Vec<String> {
    let found = pack.pack.streams.iter().find(|known| known.name() == stream);
    let Some(SchemaLoader::InlineSchemaLoader { schema }) =
        found.and_then(|stream| stream.full().schema_loader.as_ref())
    else {
        return Vec::new();
    };
    let members = |schema: &Value| schema.get("properties").and_then(Value::as_object).cloned();
    let top = members(schema).unwrap_or_default();
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
