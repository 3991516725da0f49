//! A member of an audience.

use connectus_core::Timestamp;
use md5::{Digest, Md5};
use serde_json::{Map, Value, json};

use super::{problem::Problem, stamp};

/// The statuses a request may ask for.
const STATUSES: [&str; 5] = ["subscribed", "unsubscribed", "cleaned", "pending", "transactional"];
/// Longest value of a merge field, in bytes.
const MAX_VALUE_BYTES: usize = 255;

/// A member.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub email: String,
    pub status: String,
    pub merge: Map<String, Value>,
    pub tags: Vec<String>,
    pub created: Timestamp,
    pub changed: Timestamp,
}

/// The id of an address: the MD5 of its small letters.
pub(crate) fn member_id(email: &str) -> String {
    hex::encode(Md5::digest(email.to_lowercase()))
}

impl Member {
    pub(super) fn new(email: &str, status: &str, now: Timestamp) -> Self {
        Self {
            email: email.to_owned(),
            status: status.to_owned(),
            merge: Map::new(),
            tags: Vec::new(),
            created: now,
            changed: now,
        }
    }

    /// Takes over what a request says. Nothing changes when any of it is refused.
    pub(super) fn change(&mut self, body: &Value, now: Timestamp) -> Result<(), Problem> {
        let status = body.get("status").and_then(Value::as_str);
        if let Some(status) = status.filter(|status| !STATUSES.contains(status)) {
            return Err(Problem::invalid("status", &format!("Value {status} is not allowed.")));
        }
        if status == Some("subscribed") && self.status == "cleaned" {
            let detail = format!("{} is in a compliance state.", self.email);
            return Err(Problem::new(400, "Member In Compliance State", detail));
        }
        let fields = body.get("merge_fields").and_then(Value::as_object);
        for (name, value) in fields.into_iter().flatten() {
            if value.as_str().is_some_and(|text| text.len() > MAX_VALUE_BYTES) {
                return Err(Problem::invalid(name, "Please enter a value shorter than 255."));
            }
        }
        let before = (self.status.clone(), self.merge.clone());
        if let Some(status) = status {
            status.clone_into(&mut self.status);
        }
        for (name, value) in fields.into_iter().flatten() {
            self.merge.insert(name.clone(), value.clone());
        }
        // A request that changes nothing leaves the time of change alone.
        if before != (self.status.clone(), self.merge.clone()) || self.created == now {
            self.changed = now;
        }
        Ok(())
    }

    /// The member as the API shows them.
    pub(super) fn show(&self, id: &str, list: &str) -> Value {
        let name = |field: &str| self.merge.get(field).and_then(Value::as_str).unwrap_or_default();
        json!({
            "id": id,
            "email_address": self.email,
            "unique_email_id": &id[..10],
            "contact_id": &id[10..],
            "full_name": format!("{} {}", name("FNAME"), name("LNAME")).trim(),
            "email_type": "html",
            "status": self.status,
            "merge_fields": self.merge,
            "stats": {"avg_open_rate": 0, "avg_click_rate": 0},
            "language": "",
            "vip": false,
            "tags_count": self.tags.len(),
            "tags": self.tags.iter().zip(1..).map(|(name, id): (_, u32)| {
                json!({"id": id, "name": name})
            }).collect::<Vec<_>>(),
            "timestamp_opt": stamp(self.created),
            "last_changed": stamp(self.changed),
            "list_id": list,
        })
    }
}

/// An address Mailchimp would take.
pub(super) fn check_email(email: &str) -> Result<(), Problem> {
    let good = email.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty() && domain.contains('.') && !email.contains(char::is_whitespace)
    });
    if good {
        return Ok(());
    }
    let detail = "Please provide a valid email address.";
    Err(Problem::new(400, "Invalid Resource", detail))
}
