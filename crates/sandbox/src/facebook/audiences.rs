//! Custom audiences: lists of hashed people.

use std::collections::BTreeSet;

use axum::response::Response;
use connectus_core::Timestamp;
use serde_json::{Value, json};

use super::{account::AdAccount, done, refusal::Refusal, stamp};
use crate::asked::Asked;

/// Most people of one call.
const MAX_USERS: usize = 10_000;
const KEYS: [&str; 4] = ["EMAIL", "PHONE", "FN", "LN"];

pub(super) fn create(
    account: &mut AdAccount,
    asked: &Asked,
    now: Timestamp,
) -> Result<Response, Refusal> {
    let name = asked.body.get("name").and_then(Value::as_str);
    let name = name.ok_or_else(|| Refusal::parameter("(#100) The parameter name is required"))?;
    let id = account.id();
    let audience = json!({
        "id": id,
        "name": name,
        "description": asked.body["description"],
        "subtype": "CUSTOM",
        "approximate_count_lower_bound": -1,
        "time_created": now.secs(),
        "time_updated": now.secs(),
        "updated_time": stamp(now),
    });
    let edges = account.edges.iter_mut().find(|((_, edge), _)| edge == "customaudiences");
    if let Some((_, list)) = edges {
        list.push(audience);
    }
    account.audiences.insert(id.clone(), BTreeSet::new());
    Ok(done(&json!({"id": id})))
}

pub(super) fn change(
    account: &mut AdAccount,
    asked: &Asked,
    audience: &str,
) -> Result<Response, Refusal> {
    let people = account.audiences.get_mut(audience);
    let people = people.ok_or_else(|| Refusal::unknown_object(audience))?;
    let payload = &asked.body["payload"];
    let (schema, data) = (payload["schema"].as_array(), payload["data"].as_array());
    let (Some(schema), Some(data)) = (schema, data) else {
        return Err(Refusal::parameter("payload needs schema and data"));
    };
    if schema.iter().any(|key| !KEYS.iter().any(|known| key == known)) {
        return Err(Refusal::parameter("payload: unknown key in schema"));
    }
    if data.len() > MAX_USERS {
        return Err(Refusal::parameter("payload: more than 10000 people"));
    }
    // A row has one value for each key; each is a hash or empty, and not all are empty.
    let good = |row: &&Value| {
        let values = row.as_array().map(Vec::as_slice).unwrap_or_default();
        let fits =
            |value: &Value| value.as_str().is_some_and(|text| text.is_empty() || is_hash(text));
        values.len() == schema.len()
            && values.iter().all(fits)
            && values.iter().any(|value| value != "")
    };
    let mut invalid = Vec::new();
    for row in data {
        if !good(&row) {
            invalid.push(row.clone());
        } else if asked.method == "DELETE" {
            people.remove(&row.to_string());
        } else {
            people.insert(row.to_string());
        }
    }
    Ok(done(&json!({
        "audience_id": audience,
        "session_id": "836",
        "num_received": data.len(),
        "num_invalid_entries": invalid.len(),
        "invalid_entry_samples": invalid,
    })))
}

fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}
