//! `GET /api/v1/workflows/{id}/diff`.

use axum::{
    Json,
    extract::{Path, Query, State},
};
use connectus_core::workflow::Change;
use connectus_engine::workflows::versions;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// Which versions to compare.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Sides {
    /// The version on one side; by default the live one.
    from: Option<u64>,
    /// The version on the other side; by default the newest one.
    to: Option<u64>,
}

/// What one version says differently from another.
#[derive(Serialize, ToSchema)]
pub struct Differences {
    /// The version on one side.
    from: u64,
    /// The version on the other side.
    to: u64,
    /// What `to` says differently.
    changes: Vec<ChangeView>,
}

/// One difference.
#[derive(Serialize, ToSchema)]
pub struct ChangeView {
    /// `added`, `removed`, `moved` or `changed`.
    #[schema(example = "changed")]
    kind: Value,
    /// The step it is about; null for the definition's own members.
    step: Option<String>,
    /// Where in the step or definition, as a JSON pointer; empty for all of it.
    #[schema(example = "/input/text")]
    path: String,
    /// What was there.
    #[schema(value_type = Object)]
    before: Value,
    /// What is there now.
    #[schema(value_type = Object)]
    after: Value,
}

impl From<Change> for ChangeView {
    fn from(change: Change) -> Self {
        let Change { kind, step, path, before, after } = change;
        Self { kind: serde_json::to_value(kind).unwrap_or_default(), step, path, before, after }
    }
}

/// Compare two versions of a workflow.
#[utoipa::path(get, path = "/api/v1/workflows/{id}/diff", tag = "workflows",
    params(("id" = String, Path), Sides), responses((status = 200, body = Differences)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Query(sides): Query<Sides>,
) -> ApiResult<Json<Differences>> {
    let row = super::named(&app, &caller.ctx, &id).await?;
    let parts = &app.engine_parts;
    let found = versions::compare(parts, &caller.ctx, &row, sides.from, sides.to).await?;
    let changes = found.changes.into_iter().map(ChangeView::from).collect();
    Ok(Json(Differences { from: found.from, to: found.to, changes }))
}
