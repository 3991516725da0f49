//! `/composite/sobjects` (200 records in one call) and `/composite` (25 calls in one).

use axum::{
    Extension, Json,
    body::to_bytes,
    response::{IntoResponse, Response},
};
use connectus_core::Timestamp;
use futures::FutureExt;
use serde_json::{Value, json};

use super::{
    object::{EXTERNAL_ID, SalesforceType},
    org::Org,
    refusal::Refusal,
    route,
};
use crate::{
    asked::Asked,
    fault::PageFault,
    front::{Applied, MAX_BODY_BYTES},
    world::World,
};

/// Most records of one collection.
const MAX_RECORDS: usize = 200;
/// Most calls of one composite.
const MAX_CALLS: usize = 25;

pub(super) fn answer(
    org: &mut Org,
    asked: &Asked,
    rest: &[&str],
    now: Timestamp,
) -> Result<Response, Refusal> {
    let records = asked.body.get("records").and_then(Value::as_array);
    let records = records.ok_or_else(|| Refusal::new(400, "JSON_PARSER_ERROR", "no records"))?;
    if records.len() > MAX_RECORDS {
        let message = "record limit reached. cannot submit more than 200 records in this call";
        return Err(Refusal::new(400, "EXCEEDED_MAX_ALL_OR_NONE_RECORDS", message));
    }
    let (method, mut results) = (asked.method.as_str(), Vec::with_capacity(records.len()));
    for record in records {
        let outcome = match (method, rest) {
            ("POST", []) => create(org, record, now),
            ("PATCH", []) => update(org, record, now),
            ("PATCH", [kind, field]) => upsert(org, (kind, field), record, now),
            _ => return Err(Refusal::no_such_path()),
        };
        results.push(outcome.unwrap_or_else(|refusal| refusal.entry()));
    }
    let applied = results.iter().any(|result| result["success"] == true);
    let mut response = Json(results).into_response();
    if applied {
        response.extensions_mut().insert(Applied);
    }
    Ok(response)
}

fn kind_of(record: &Value) -> Result<SalesforceType, Refusal> {
    let kind = record.pointer("/attributes/type").and_then(Value::as_str);
    SalesforceType::named(kind.unwrap_or_default())
}

fn create(org: &mut Org, record: &Value, now: Timestamp) -> Result<Value, Refusal> {
    let id = org.create(kind_of(record)?, record, now)?;
    Ok(json!({"id": id, "success": true, "errors": []}))
}

fn update(org: &mut Org, record: &Value, now: Timestamp) -> Result<Value, Refusal> {
    let mut body = record.clone();
    let id = body.as_object_mut().and_then(|members| members.remove("id"));
    let id = id.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
    org.update(kind_of(record)?, &id, &body, now)?;
    Ok(json!({"id": id, "success": true, "errors": []}))
}

fn upsert(
    org: &mut Org,
    (kind, field): (&str, &str),
    record: &Value,
    now: Timestamp,
) -> Result<Value, Refusal> {
    let wanted = SalesforceType::named(kind)?;
    if kind_of(record)? != wanted {
        return Err(Refusal::new(400, "INVALID_TYPE", "The record is of another type."));
    }
    let key = record.get(EXTERNAL_ID).and_then(Value::as_str);
    let key = key.ok_or_else(|| {
        Refusal::field("MISSING_ARGUMENT", EXTERNAL_ID, format!("{EXTERNAL_ID} not specified"))
    })?;
    let (id, created) = org.upsert(wanted, (field, key), record, now)?;
    Ok(json!({"id": id, "success": true, "errors": [], "created": created}))
}

/// Several calls in one, which count as one.
pub(super) fn composite(world: &World, asked: &Asked, version: &str) -> Result<Response, Refusal> {
    let calls = asked.body.get("compositeRequest").and_then(Value::as_array);
    let calls = calls.ok_or_else(|| Refusal::new(400, "JSON_PARSER_ERROR", "no requests"))?;
    if calls.len() > MAX_CALLS {
        let message = "The Composite API's limit of 25 subrequests is exceeded.";
        return Err(Refusal::new(400, "LIMIT_EXCEEDED", message));
    }
    let before = world.salesforce().snapshot();
    let mut answers: Vec<Value> = Vec::with_capacity(calls.len());
    for call in calls {
        answers.push(one(world, &filled(call, &answers), version));
    }
    let failed = |answer: &Value| answer["httpStatusCode"].as_u64() >= Some(400);
    let all_or_none = asked.body.get("allOrNone").and_then(Value::as_bool).unwrap_or(false);
    if all_or_none && answers.iter().any(failed) {
        world.salesforce().restore(before);
        for answer in answers.iter_mut().filter(|answer| !failed(answer)) {
            let message = "The transaction was rolled back since another operation failed.";
            answer["body"] = Refusal::new(400, "PROCESSING_HALTED", message).body();
            answer["httpStatusCode"] = 400.into();
        }
    }
    let body = json!({"compositeResponse": answers});
    Ok((Extension(Applied), Json(body)).into_response())
}

/// The call with `@{reference.member}` filled in from earlier answers.
fn filled(call: &Value, answers: &[Value]) -> Value {
    let mut text = call.to_string();
    for answer in answers {
        let name = answer["referenceId"].as_str().unwrap_or_default();
        for (member, value) in answer["body"].as_object().into_iter().flatten() {
            if let Some(value) = value.as_str() {
                text = text.replace(&format!("@{{{name}.{member}}}"), value);
            }
        }
    }
    serde_json::from_str(&text).unwrap_or_default()
}

fn one(world: &World, call: &Value, version: &str) -> Value {
    let text = |name: &str| call.get(name).and_then(Value::as_str).unwrap_or_default();
    let (path, query) = text("url").split_once('?').unwrap_or((text("url"), ""));
    let params = url::form_urlencoded::parse(query.as_bytes());
    let asked = Asked {
        method: text("method").to_owned(),
        path: path.to_owned(),
        headers: axum::http::HeaderMap::new(),
        params: params
            .map(|(name, value)| (name.into_owned(), value.into_owned().into()))
            .collect(),
        body: call.get("body").cloned().unwrap_or_default(),
        is_broken: false,
        fault: PageFault::None,
    };
    let path = asked.segments();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let outcome = match path.as_slice() {
        // A composite within a composite is not allowed.
        ["services", "data", _, "composite"] => Err(Refusal::no_such_path()),
        ["services", "data", own, rest @ ..] if *own == version => route(world, &asked, own, rest),
        _ => Err(Refusal::no_such_path()),
    };
    let response = outcome.unwrap_or_else(IntoResponse::into_response);
    let status = response.status().as_u16();
    // The bodies made here are there at once.
    let bytes = to_bytes(response.into_body(), MAX_BODY_BYTES).now_or_never();
    let bytes = bytes.and_then(Result::ok).unwrap_or_default();
    json!({
        "body": serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        "httpHeaders": {},
        "httpStatusCode": status,
        "referenceId": text("referenceId"),
    })
}
