//! `DELETE /api/v1/collections/{collection}/records/{key}`.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
};
use connectus_engine::collections;

use super::Named;
use crate::{
    app::App,
    http::{ApiResult, Caller, etag},
};

/// Delete a record.
///
/// A data flow that reads it again later writes it again.
#[utoipa::path(delete, path = "/api/v1/collections/{collection}/records/{key}",
    tag = "collections", params(("collection" = String, Path), ("key" = String, Path)),
    responses((status = 204)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Named { collection, key }: Named,
    headers: HeaderMap,
) -> ApiResult<StatusCode> {
    let guard = move |record: &_| etag::check(&headers, super::version(record));
    collections::delete(&app.engine_parts, &caller.ctx, &collection, &key, guard).await?;
    Ok(StatusCode::NO_CONTENT)
}
