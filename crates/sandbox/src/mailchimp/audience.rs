//! An audience, and writing to it: one member or five hundred.

use std::collections::{BTreeMap, HashSet};

use connectus_core::Timestamp;
use serde_json::{Value, json};

use super::{
    account::OPENED_SECS,
    member::{Member, check_email, member_id},
    problem::Problem,
    stamp,
};

/// Most members of one batch.
const MAX_MEMBERS: usize = 500;
/// Most members of an audience.
const MAX_HELD: usize = 1_000_000;

/// An audience. Members stand under their ids.
#[derive(Debug)]
pub(crate) struct Audience {
    pub id: &'static str,
    pub name: &'static str,
    pub members: BTreeMap<String, Member>,
    pub webhooks: Vec<Value>,
}

impl Audience {
    pub(super) fn new(id: &'static str, name: &'static str) -> Self {
        Self { id, name, members: BTreeMap::new(), webhooks: Vec::new() }
    }

    pub(super) fn live(&self) -> usize {
        self.members.values().filter(|member| member.status != "archived").count()
    }

    pub(super) fn show(&self) -> Value {
        let count = |status: &str| self.members.values().filter(|m| m.status == status).count();
        json!({
            "id": self.id,
            "web_id": 8_360,
            "name": self.name,
            "date_created": stamp(Timestamp::from_secs(OPENED_SECS)),
            "stats": {
                "member_count": count("subscribed"),
                "unsubscribe_count": count("unsubscribed"),
                "cleaned_count": count("cleaned"),
            },
        })
    }

    /// Adds or changes the member that stands, or will stand, under `id`.
    pub(super) fn put(&mut self, id: &str, body: &Value, now: Timestamp) -> Result<Value, Problem> {
        if let Some(member) = self.members.get_mut(id) {
            if member.status == "archived" {
                "unsubscribed".clone_into(&mut member.status);
            }
            member.change(body, now)?;
            return Ok(member.show(id, self.id));
        }
        let email = body.get("email_address").and_then(Value::as_str).unwrap_or_default();
        check_email(email)?;
        if member_id(email) != id {
            return Err(Problem::invalid("email_address", "The address does not match the id."));
        }
        let status = ["status", "status_if_new"].iter().find_map(|name| body.get(name)?.as_str());
        let Some(status) = status else {
            return Err(Problem::invalid("status", "Required fields were not provided: status"));
        };
        if self.members.len() >= MAX_HELD {
            return Err(Problem::new(400, "Bad Request", "The sandbox audience is full."));
        }
        let mut member = Member::new(email, status, now);
        let mut body = body.clone();
        body["status"] = status.into();
        member.change(&body, now)?;
        let shown = member.show(id, self.id);
        self.members.insert(id.to_owned(), member);
        Ok(shown)
    }

    /// `POST /lists/{id}`: the good ones are done, the others are named with their address.
    pub(super) fn put_all(&mut self, body: &Value, now: Timestamp) -> Result<Value, Problem> {
        let members = body.get("members").and_then(Value::as_array);
        let members =
            members.ok_or_else(|| Problem::invalid("members", "Schema describes array"))?;
        if members.len() > MAX_MEMBERS {
            return Err(Problem::invalid("members", "Array must have at most 500 items."));
        }
        let update = body.get("update_existing").and_then(Value::as_bool).unwrap_or(false);
        let (mut made, mut changed, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        let mut seen = HashSet::new();
        for body in members {
            let email = body.get("email_address").and_then(Value::as_str).unwrap_or_default();
            let id = member_id(email);
            let known = self.members.contains_key(&id);
            let refuse = |code: &str, message: &str| {
                json!({
                    "email_address": email,
                    "error": message,
                    "error_code": code,
                    "field": "",
                    "field_message": "",
                })
            };
            if !seen.insert(id.clone()) {
                errors.push(refuse("ERROR_DUPLICATE", "This email appears twice."));
            } else if known && !update {
                errors.push(refuse("ERROR_CONTACT_EXISTS", "is already a list member."));
            } else {
                match self.put(&id, body, now) {
                    Ok(shown) if known => changed.push(shown),
                    Ok(shown) => made.push(shown),
                    Err(problem) => errors.push(refuse("ERROR_GENERIC", &problem.detail)),
                }
            }
        }
        Ok(json!({
            "total_created": made.len(),
            "total_updated": changed.len(),
            "error_count": errors.len(),
            "new_members": made,
            "updated_members": changed,
            "errors": errors,
        }))
    }
}
