//! `/sobjects/{type}/...`: one record.

use axum::{
    Extension, Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use connectus_core::Timestamp;
use serde_json::json;

use super::{
    object::{EXTERNAL_ID, SalesforceType},
    org::Org,
    refusal::Refusal,
};
use crate::{asked::Asked, front::Applied};

pub(super) fn answer(
    org: &mut Org,
    asked: &Asked,
    (version, kind): (&str, &str),
    rest: &[&str],
    now: Timestamp,
) -> Result<Response, Refusal> {
    let kind = SalesforceType::named(kind)?;
    let missing = || Refusal::new(404, "NOT_FOUND", "The requested resource does not exist");
    match (asked.method.as_str(), rest) {
        ("POST", []) => {
            let id = org.create(kind, &asked.body, now)?;
            let body = json!({"id": id, "success": true, "errors": []});
            Ok((StatusCode::CREATED, Extension(Applied), Json(body)).into_response())
        }
        ("GET", [id]) => show(org, kind, id, (asked, version)).ok_or_else(missing),
        ("GET", [_, key]) => {
            let id = org.by_key(kind, key).ok_or_else(missing)?;
            show(org, kind, &id, (asked, version)).ok_or_else(missing)
        }
        ("PATCH", [id]) => {
            org.update(kind, id, &asked.body, now)?;
            Ok((StatusCode::NO_CONTENT, Extension(Applied)).into_response())
        }
        ("PATCH", [field, key]) => {
            let (id, created) = org.upsert(kind, (field, key), &asked.body, now)?;
            let status = if created { StatusCode::CREATED } else { StatusCode::OK };
            let body = json!({"id": id, "success": true, "errors": [], "created": created});
            Ok((status, Extension(Applied), Json(body)).into_response())
        }
        ("DELETE", [id]) => {
            if !org.delete(kind, id, now) {
                return Err(Refusal::new(404, "ENTITY_IS_DELETED", "entity is deleted"));
            }
            Ok((StatusCode::NO_CONTENT, Extension(Applied)).into_response())
        }
        _ => Err(Refusal::no_such_path()),
    }
}

fn show(
    org: &mut Org,
    kind: SalesforceType,
    id: &str,
    (asked, version): (&Asked, &str),
) -> Option<Response> {
    let usual = || kind.fields().iter().copied().chain(["Id", "SystemModstamp", EXTERNAL_ID]);
    let wanted = asked.param("fields");
    let fields: Vec<_> = usual()
        .filter(|field| wanted.is_empty() || wanted.split(',').any(|name| name.trim() == *field))
        .collect();
    Some(Json(org.live(kind, id)?.show(kind, &fields, version)).into_response())
}
