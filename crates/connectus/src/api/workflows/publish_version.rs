//! `POST /api/v1/workflows/{id}/versions/{number}/publish`.

use axum::{
    extract::{Path, State},
    http::HeaderMap,
    response::Response,
};
use connectus_engine::workflows::{saved_tests, trials::Which, versions};
use serde::Deserialize;
use utoipa::ToSchema;

use super::WorkflowView;
use crate::{
    app::App,
    http::{ApiResult, Caller, OptionalBody, etag},
};

/// How to publish.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Publication {
    /// Whether a version that does not pass all tests of the workflow is refused.
    require_tests: bool,
}

/// Publish a version: runs from now on pin it. An older one can be published again.
///
/// Runs under way keep the definition they started with. The tests of the workflow are run
/// against the version: `failing_tests` lists those that fail, and with `require_tests` there
/// must be none.
#[utoipa::path(post, path = "/api/v1/workflows/{id}/versions/{number}/publish",
    tag = "workflows", params(("id" = String, Path), ("number" = String, Path)),
    request_body = Publication,
    responses((status = 200, body = WorkflowView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path((id, number)): Path<(String, String)>,
    headers: HeaderMap,
    OptionalBody(how): OptionalBody<Publication>,
) -> ApiResult<Response> {
    let (parts, ctx) = (&app.engine_parts, &caller.ctx);
    let row = super::named(&app, &caller.ctx, &id).await?;
    etag::check(&headers, row.version)?;
    let number = super::number(&number)?;
    let which = Which::Version(number);
    let failing = saved_tests::failing(parts, ctx, &row, &which).await?;
    if how.require_tests {
        saved_tests::require(&failing)?;
    }
    let row = versions::publish(parts, ctx, &row, number).await?;
    Ok(super::answer_with(&app, ctx, row, Some(failing)).await?)
}
