//! `GET /api/v1/runs/{id}/payloads/{blob}`.

use axum::{
    extract::{Path, State},
    http::header,
    response::{IntoResponse, Response},
};
use connectus_core::{Error, payload::BlobName};

use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// Get a large value of a run whole.
///
/// The run, a step of it or its journal shows `{"parked": {"blob", "bytes"}}` in its place.
#[utoipa::path(get, path = "/api/v1/runs/{id}/payloads/{blob}", tag = "runs",
    params(("id" = String, Path),
        ("blob" = String, Path, description = "`blob` of what is shown in its place.")),
    responses((status = 200, body = Object)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path((id, blob)): Path<(String, String)>,
) -> ApiResult<Response> {
    let run = super::named(&app, &caller.ctx, &id).await?;
    let gone = || Error::not_found("payload");
    let blob: BlobName = blob.parse().map_err(|_| gone())?;
    let known = app.store().read().await?.blob_of_run(&caller.ctx, &run.id, &blob).await?;
    let text = app.store().blobs().get(caller.ctx.tenant(), &known.ok_or_else(gone)?).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
}
