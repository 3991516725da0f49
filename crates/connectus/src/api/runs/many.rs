//! What the calls that change many runs take and answer.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use connectus_core::{Result, TenantCtx};
use connectus_engine::driver::{Bulk, Many, Meant};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::filter::Search;
use crate::app::App;

/// Which runs, and whether to do it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Which {
    /// Which runs are meant; at least one field must be given.
    #[serde(deserialize_with = "Search::strict")]
    filter: Search,
    /// With `true`, only tell which runs those are.
    #[serde(default)]
    dry_run: bool,
}

/// What became of the runs, or would.
#[derive(Serialize, ToSchema)]
pub struct ManyView {
    /// Whether nothing was done.
    dry_run: bool,
    /// Runs that the filter names and of which it can be done.
    matched: u64,
    /// The newest of them, 500 at most: to these it was done, or would be.
    runs: Vec<MeantView>,
    /// Matching runs left for another call.
    left: u64,
}

/// One of the runs.
#[derive(Serialize, ToSchema)]
pub struct MeantView {
    /// The run.
    run: String,
    /// The new run that repeats it.
    #[serde(skip_serializing_if = "Option::is_none")]
    new_run: Option<String>,
}

impl ManyView {
    /// What the engine tells, for callers.
    pub fn of(many: Many, dry_run: bool) -> Self {
        let left = many.left();
        let meant = |Meant { run, new_run }| MeantView {
            run: run.to_string(),
            new_run: new_run.map(|id| id.to_string()),
        };
        let runs = many.runs.into_iter().map(meant).collect();
        Self { dry_run, matched: many.matched, runs, left }
    }
}

pub(super) async fn change(
    app: &App,
    ctx: &TenantCtx,
    bulk: Bulk,
    Which { filter, dry_run }: Which,
) -> Result<Response> {
    let many = app.engine.change_many(ctx, bulk, filter.read()?, dry_run).await?;
    let status = if dry_run { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(ManyView::of(many, dry_run))).into_response())
}
