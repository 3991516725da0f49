//! What data cannot say about a provider, one file each.

mod mailchimp;

use serde_json::{Map, Value};

use crate::Secrets;

/// Settings that a credential itself reveals, for those the person did not give.
pub fn settings_of(provider: &str, secrets: &Secrets) -> Map<String, Value> {
    match provider {
        "mailchimp" => mailchimp::settings_of(secrets),
        _ => Map::new(),
    }
}
