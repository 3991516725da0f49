//! `PUT /api/v1/collections/{collection}/records/{key}`.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use connectus_core::{Code, Error, Result, collection::Record};
use connectus_engine::collections;
use serde_json::{Map, Value};

use super::{Named, RecordView};
use crate::{
    app::App,
    http::{ApiResult, Body, Caller, etag},
};

/// Write a record: all of its fields.
///
/// The collection comes to be with its first record. A data flow that maps some of the fields
/// treats the change by its conflict policy.
#[utoipa::path(put, path = "/api/v1/collections/{collection}/records/{key}", tag = "collections",
    params(("collection" = String, Path), ("key" = String, Path)),
    request_body(content = Object, description = "The fields of the record."),
    responses((status = 200, body = RecordView), (status = 201, body = RecordView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Named { collection, key }: Named,
    headers: HeaderMap,
    Body(fields): Body<Map<String, Value>>,
) -> ApiResult<Response> {
    let guard = move |before: Option<&Record>| expected(&headers, before);
    let parts = &app.engine_parts;
    let put = collections::put(parts, &caller.ctx, &collection, &key, fields, guard).await?;
    let mut response = super::answer(put.record);
    if put.created {
        *response.status_mut() = StatusCode::CREATED;
    }
    Ok(response)
}

/// `If-Match` of a record that is not there asks for something that is gone.
fn expected(headers: &HeaderMap, before: Option<&Record>) -> Result<()> {
    match before {
        Some(record) => etag::check(headers, super::version(record)),
        None if headers.contains_key(header::IF_MATCH) => Err(Error::new(
            Code::PreconditionFailed,
            "The record is not there any more. Send it without `If-Match` to make it anew.",
        )),
        None => Ok(()),
    }
}
