//! `POST /api/v1/workflows/completions`.

use axum::{Json, extract::State};
use connectus_core::workflow::Definition;
use connectus_engine::workflows::completions;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::completions::Completions;
use crate::{
    app::App,
    http::{ApiResult, Body, Caller},
};

/// A definition that is being written.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Unsaved {
    /// The definition; its expressions need not be right yet.
    #[schema(value_type = Object)]
    definition: Value,
    /// The step; without one the definition's `output`.
    step: Option<String>,
    /// The workflow of which it will be a version: what its latest runs had is offered, too.
    workflow: Option<String>,
}

/// List what can be written in the expressions of a definition that is not saved.
#[utoipa::path(post, path = "/api/v1/workflows/completions", tag = "workflows",
    request_body = Unsaved, responses((status = 200, body = Completions)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Body(unsaved): Body<Unsaved>,
) -> ApiResult<Json<Completions>> {
    let (parts, ctx) = (&app.engine_parts, &caller.ctx);
    let row = match &unsaved.workflow {
        Some(id) => Some(super::named(&app, ctx, id).await?),
        None => None,
    };
    let definition = Definition::read(&unsaved.definition)?;
    let step = unsaved.step.as_deref();
    let names = completions::names(parts, ctx, row.as_ref(), &definition, step).await?;
    Ok(Json(Completions::of(names)))
}
