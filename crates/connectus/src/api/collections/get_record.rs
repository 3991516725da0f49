//! `GET /api/v1/collections/{collection}/records/{key}`.

use axum::{extract::State, response::Response};
use connectus_core::Error;

use super::{Named, RecordView};
use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// Get a record.
#[utoipa::path(get, path = "/api/v1/collections/{collection}/records/{key}", tag = "collections",
    params(("collection" = String, Path), ("key" = String, Path)),
    responses((status = 200, body = RecordView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Named { collection, key }: Named,
) -> ApiResult<Response> {
    let found = app.store().read().await?.record(&caller.ctx, &collection, &key).await?;
    Ok(super::answer(found.ok_or_else(|| Error::not_found("record"))?))
}
