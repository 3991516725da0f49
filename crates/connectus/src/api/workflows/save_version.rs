//! `POST /api/v1/workflows/{id}/versions`.

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use connectus_core::Error;
use connectus_engine::workflows::{self, saved_tests, trials::Which, versions};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{VersionView, update::WorkflowChange};
use crate::{
    app::App,
    http::{ApiResult, Body, Caller},
};

/// What the version says differently from the live one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewVersion {
    /// The whole graph.
    #[schema(value_type = Option<Object>)]
    definition: Option<Value>,
    /// What it does, in order, in the short form.
    #[schema(value_type = Option<Vec<Object>>)]
    actions: Option<Value>,
    /// When the trigger counts.
    #[schema(value_type = Option<Object>)]
    conditions: Option<Value>,
    /// What it is for, or why it changed.
    #[serde(default)]
    note: String,
    /// Whether it goes live at once.
    #[serde(default)]
    publish: bool,
    /// Whether it goes live only if it passes all tests of the workflow. It is saved either way.
    #[serde(default)]
    require_tests: bool,
}

/// Save a version of a workflow, as a draft unless `publish` is true.
///
/// What is the newest version already is not saved again.
#[utoipa::path(post, path = "/api/v1/workflows/{id}/versions", tag = "workflows",
    params(("id" = String, Path)), request_body = NewVersion,
    responses((status = 201, body = VersionView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Body(new): Body<NewVersion>,
) -> ApiResult<Response> {
    let (parts, ctx) = (&app.engine_parts, &caller.ctx);
    let row = super::named(&app, ctx, &id).await?;
    let live = workflows::definition(parts, ctx, &row).await?;
    let change = WorkflowChange::of(new.definition, new.actions, new.conditions);
    let draft = change.draft(&row, live)?;
    let mut version = versions::save(parts, ctx, &row, draft, &new.note).await?;
    if new.publish && new.require_tests {
        let which = Which::Version(version.number);
        saved_tests::require(&saved_tests::failing(parts, ctx, &row, &which).await?)?;
    }
    if new.publish {
        versions::publish(parts, ctx, &row, version.number).await?;
        version = versions::get(parts, ctx, &row, version.number).await?;
    }
    let definition = versions::definition_of(parts, ctx, &version).await?;
    let location = format!("/api/v1/workflows/{}/versions/{}", row.id, version.number);
    let location = HeaderValue::from_str(&location).map_err(Error::internal)?;
    let view = VersionView::of(version, Some(definition));
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(view)).into_response())
}
