//! `POST /api/v1/workflows/{id}/tests/run`.

use axum::{
    Json,
    extract::{Path, State},
};
use connectus_engine::workflows::saved_tests::{self, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::VerdictView;
use crate::{
    api::workflows::{self, trial},
    app::App,
    http::{ApiResult, Caller, OptionalBody},
};

/// Against what to run them.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AllAgainst {
    /// A version; by default the live one.
    number: Option<u64>,
    /// A definition that is not saved.
    #[schema(value_type = Option<Object>)]
    definition: Option<Value>,
}

/// How the tests of a workflow went.
#[derive(Serialize, ToSchema)]
pub struct VerdictsView {
    /// How many passed.
    passed: usize,
    /// How many did not.
    failed: usize,
    /// Each of them, by name, without its report.
    tests: Vec<VerdictView>,
}

impl VerdictsView {
    /// Verdicts for callers.
    pub fn of(verdicts: Vec<Verdict>) -> Self {
        let passed = verdicts.iter().filter(|verdict| verdict.passed()).count();
        Self {
            passed,
            failed: verdicts.len() - passed,
            tests: verdicts.into_iter().map(|one| VerdictView::of(one, false)).collect(),
        }
    }
}

/// Run all tests of a workflow, against a draft version before it is published for one. They reach
/// nothing outside.
#[utoipa::path(post, path = "/api/v1/workflows/{id}/tests/run", tag = "workflows",
    params(("id" = String, Path)), request_body = AllAgainst,
    responses((status = 200, body = VerdictsView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    OptionalBody(against): OptionalBody<AllAgainst>,
) -> ApiResult<Json<VerdictsView>> {
    let (parts, ctx) = (&app.engine_parts, &caller.ctx);
    let row = workflows::named(&app, ctx, &id).await?;
    let which = trial::which(against.definition, against.number)?;
    Ok(Json(VerdictsView::of(saved_tests::run_all(parts, ctx, &row, &which).await?)))
}
