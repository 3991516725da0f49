//! `POST /api/v1/workflows/import`.

use axum::{
    extract::{Query, Request, State},
    http::StatusCode,
    response::Response,
};
use connectus_connect::yaml;
use connectus_core::{Code, Error};
use connectus_engine::workflows::{self, versions};
use serde::Deserialize;
use utoipa::IntoParams;

use super::WorkflowView;
use crate::{
    app::App,
    http::{ApiResult, Caller, body},
};

/// What becomes of the file.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Purpose {
    /// `draft`, `active` (the default) or `paused`, for a new workflow.
    status: Option<String>,
    /// A workflow of which the file becomes the next version, live at once.
    workflow: Option<String>,
}

/// Import a workflow from a file: YAML or JSON, a definition or the short form.
///
/// Makes a new workflow, or with `workflow` the next version of one there is.
#[utoipa::path(post, path = "/api/v1/workflows/import", tag = "workflows", params(Purpose),
    request_body(content = String, content_type = "application/yaml"),
    responses((status = 201, body = WorkflowView), (status = 200, body = WorkflowView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Query(purpose): Query<Purpose>,
    request: Request,
) -> ApiResult<Response> {
    let (parts, ctx) = (&app.engine_parts, &caller.ctx);
    let bytes = body::read(request).await?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| Error::new(Code::BadRequest, "The file is not UTF-8 text."))?;
    let mut draft = versions::draft_of_file(yaml::read(text)?)?;
    draft.status = super::status(purpose.status.as_deref())?;
    let Some(id) = purpose.workflow else {
        let row = workflows::create(parts, ctx, draft).await?;
        let mut response = super::answer(&app, ctx, row).await?;
        *response.status_mut() = StatusCode::CREATED;
        return Ok(response);
    };
    let before = super::named(&app, ctx, &id).await?;
    draft.integration.clone_from(&before.integration_id);
    let row = workflows::update(parts, ctx, &before, draft).await?;
    Ok(super::answer(&app, ctx, row).await?)
}
