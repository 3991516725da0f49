//! Objects and the lists under them.

use axum::response::Response;
use connectus_core::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{account::AdAccount, done, refusal::Refusal, said, stamp};
use crate::{asked::Asked, fault::PageFault};

const USUAL_LIMIT: usize = 25;
/// Largest page.
const MAX_LIMIT: usize = 5_000;

#[derive(Debug, Deserialize)]
struct Filter {
    field: String,
    operator: String,
    value: Value,
}

impl Filter {
    fn holds(&self, object: &Value) -> Result<bool, Refusal> {
        let field = match self.field.rsplit_once('.').map_or(&*self.field, |(_, field)| field) {
            "time_created" => "created_time",
            other => other,
        };
        let wanted = match &self.value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        let wanted = wanted.ok_or_else(|| Refusal::parameter("filtering: value must be a time"))?;
        let text = object[field].as_str().unwrap_or_default().replace("+0000", "Z");
        let at = Timestamp::parse(&text).map(Timestamp::secs);
        match self.operator.as_str() {
            "GREATER_THAN" => Ok(at.is_some_and(|at| at > wanted)),
            "LESS_THAN" => Ok(at.is_some_and(|at| at < wanted)),
            other => Err(Refusal::parameter(format!("filtering: operator {other}"))),
        }
    }
}

pub(super) fn list(
    account: &AdAccount,
    asked: &Asked,
    node: &str,
    edge: &str,
) -> Result<Response, Refusal> {
    let all = account.edges.get(&(node.to_owned(), edge.to_owned()));
    let all = all.ok_or_else(|| Refusal::unknown_object(node))?;
    let filters: Vec<Filter> = match asked.param("filtering") {
        "" => Vec::new(),
        text => serde_json::from_str(text)
            .map_err(|_| Refusal::parameter("filtering must be a list of filters"))?,
    };
    let mut found = Vec::new();
    // The newest comes first.
    for object in all.iter().rev() {
        let holds: Result<Vec<bool>, _> =
            filters.iter().map(|filter| filter.holds(object)).collect();
        if holds?.into_iter().all(|holds| holds) {
            found.push(shown(object, asked.param("fields")));
        }
    }
    page(asked, &found)
}

/// One page by cursor. The last page has a cursor, too, but no next.
pub(super) fn page(asked: &Asked, all: &[Value]) -> Result<Response, Refusal> {
    let limit = match asked.param("limit") {
        "" => USUAL_LIMIT,
        text => text.parse().map_err(|_| Refusal::parameter("limit must be a number"))?,
    };
    let limit = limit.clamp(1, MAX_LIMIT);
    let start: usize = match asked.param("after") {
        "" => 0,
        text => {
            let digits = text
                .strip_prefix("QVF")
                .ok_or_else(|| Refusal::parameter("The cursor is not valid."))?;
            digits.parse().map_err(|_| Refusal::parameter("The cursor is not valid."))?
        }
    };
    let from = match asked.fault {
        PageFault::Duplicate => start.saturating_sub(limit),
        PageFault::None | PageFault::Stuck => start,
    };
    let items: Vec<_> = all.iter().skip(from).take(limit).collect();
    let end = start + limit;
    let after = match asked.fault {
        PageFault::None => end.to_string(),
        PageFault::Stuck => start.to_string(),
        // The same place under another name, so that only the rows repeat and none is lost.
        PageFault::Duplicate => format!("0{start}"),
    };
    let mut body = json!({"data": items});
    if !items.is_empty() {
        let cursors = json!({"before": format!("QVF{start}"), "after": format!("QVF{after}")});
        body["paging"] = json!({"cursors": cursors});
        if end < all.len() {
            let next = format!("https://graph.facebook.com{}?after=QVF{after}", asked.path);
            body["paging"]["next"] = next.into();
        }
    }
    Ok(said(&body))
}

pub(super) fn one(account: &AdAccount, asked: &Asked, id: &str) -> Result<Response, Refusal> {
    let found = account.edges.values().flatten().find(|object| object["id"] == id);
    let found = found.ok_or_else(|| Refusal::unknown_object(id))?;
    Ok(said(&shown(found, asked.param("fields"))))
}

pub(super) fn change(
    account: &mut AdAccount,
    asked: &Asked,
    id: &str,
    now: Timestamp,
) -> Result<Response, Refusal> {
    let object = account.object(id).ok_or_else(|| Refusal::unknown_object(id))?;
    let given = asked.body.as_object().unwrap_or(&asked.params);
    for (name, value) in given {
        if name == "status" && !["ACTIVE", "PAUSED", "ARCHIVED"].iter().any(|one| value == one) {
            return Err(Refusal::parameter("Param status must be one of {ACTIVE, PAUSED, ...}"));
        }
        if ["name", "status", "daily_budget"].contains(&name.as_str()) {
            object[name] = value.clone();
        }
    }
    object["updated_time"] = stamp(now).into();
    Ok(done(&json!({"success": true})))
}

/// Only what was asked for, and the id.
fn shown(object: &Value, fields: &str) -> Value {
    let mut shown = json!({"id": object["id"]});
    for field in fields.split(',').map(str::trim) {
        if let Some(value) = object.get(field) {
            shown[field] = value.clone();
        }
    }
    shown
}
