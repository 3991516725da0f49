//! Steps that many definitions here have.

use serde_json::{Value, json};

/// Puts a record, which can be undone.
pub fn put(id: &str, key: &str) -> Value {
    let place = json!({ "collection": "digisol_crm/contacts", "key": key });
    let mut input = place.clone();
    input["record"] = json!({ "by": id });
    json!({ "id": id, "type": "action", "action": "collection.upsert", "input": input,
        "compensate": { "action": "collection.delete", "input": place } })
}

/// Posts a message.
pub fn post(id: &str, text: &str) -> Value {
    json!({ "id": id, "type": "action", "action": "slack.post_message",
        "input": { "channel": "general", "text": text } })
}

/// Waits.
pub fn nap(id: &str, time: &str) -> Value {
    json!({ "id": id, "type": "wait", "for": time })
}
