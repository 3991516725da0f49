//! One call of an action, as definitions write it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What to do: an action and what to give it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The action: `collection.upsert`, `slack.post_message`, `<provider>.<action>`.
    pub action: String,
    /// What it is given; every string is a template.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub input: Value,
    /// The integration to use, by id or name; by default the provider's only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
}
