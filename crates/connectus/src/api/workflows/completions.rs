//! `GET /api/v1/workflows/{id}/completions`.

use axum::{
    Json,
    extract::{Path, Query, State},
};
use connectus_core::{
    expr::manual::{self, Entry},
    workflow::{Definition, completion::Name},
};
use connectus_engine::workflows::{self, completions, versions};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// Where the expression stands.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Place {
    /// The step; without one the definition's `output`.
    step: Option<String>,
    /// The version; by default the live one.
    number: Option<u64>,
}

/// What can be written in an expression.
#[derive(Serialize, ToSchema)]
pub struct Completions {
    /// Names in reach, 500 at most.
    names: Vec<NameView>,
    /// Filters, written behind `|`.
    filters: Vec<EntryView>,
    /// Tests, written behind a value.
    tests: Vec<EntryView>,
    /// Operators.
    operators: Vec<&'static str>,
}

/// A name in reach.
#[derive(Serialize, ToSchema)]
pub struct NameView {
    /// As it is written.
    #[schema(example = "steps.keep.output.key")]
    path: String,
    /// A JSON type, or `any`.
    #[serde(rename = "type")]
    #[schema(example = "string")]
    kind: String,
    /// What it is.
    says: Option<String>,
    /// How that is known: `always`, `declared` by the definition or an action, or `recorded` by
    /// one of the latest runs.
    source: &'static str,
}

/// A filter or a test.
#[derive(Serialize, ToSchema)]
pub struct EntryView {
    /// Its name.
    #[schema(example = "replace")]
    name: &'static str,
    /// How it is written.
    #[schema(example = "replace(old, new)")]
    signature: &'static str,
    /// What it gives.
    says: &'static str,
}

impl Completions {
    /// All there is beside these names.
    pub(super) fn of(names: Vec<Name>) -> Self {
        let entry = |Entry { name, signature, says }: &Entry| EntryView { name, signature, says };
        let name = |Name { path, kind, says, source }| NameView { path, kind, says, source };
        Self {
            names: names.into_iter().map(name).collect(),
            filters: manual::FILTERS.iter().map(entry).collect(),
            tests: manual::TESTS.iter().map(entry).collect(),
            operators: manual::OPERATORS.to_vec(),
        }
    }
}

/// List what can be written in the expressions of a step.
///
/// Names come from the definition, from what its actions say they give, and from the latest runs.
#[utoipa::path(get, path = "/api/v1/workflows/{id}/completions", tag = "workflows",
    params(("id" = String, Path), Place), responses((status = 200, body = Completions)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Query(place): Query<Place>,
) -> ApiResult<Json<Completions>> {
    let (parts, ctx) = (&app.engine_parts, &caller.ctx);
    let row = super::named(&app, ctx, &id).await?;
    let stored = match place.number {
        None => workflows::definition(parts, ctx, &row).await?,
        Some(number) => {
            let version = versions::get(parts, ctx, &row, number).await?;
            versions::definition_of(parts, ctx, &version).await?
        }
    };
    let definition = Definition::read(&stored)?;
    let step = place.step.as_deref();
    let names = completions::names(parts, ctx, Some(&row), &definition, step).await?;
    Ok(Json(Completions::of(names)))
}
