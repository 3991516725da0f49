//! `POST /api/v1/workflows/{id}/tests/{test}/run`.

use axum::{
    Json,
    extract::{Path, State},
};
use connectus_engine::workflows::{saved_tests, trials::Which};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::VerdictView;
use crate::{
    api::workflows::{self, trial},
    app::App,
    http::{ApiResult, Caller, OptionalBody},
};

/// Against what to run it.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Against {
    /// A version; by default the live one.
    number: Option<u64>,
    /// A definition that is not saved.
    #[schema(value_type = Option<Object>)]
    definition: Option<Value>,
    /// Whether what is found is what the test expects from now on.
    accept: bool,
}

impl Against {
    /// The definition that is meant, and whether what is found is accepted.
    pub fn read(self) -> connectus_core::Result<(Which, bool)> {
        Ok((trial::which(self.definition, self.number)?, self.accept))
    }
}

/// Run a test of a workflow. It reaches nothing outside.
///
/// With `accept` what it finds is what it expects from now on; that takes `workflows:write`.
#[utoipa::path(post, path = "/api/v1/workflows/{id}/tests/{test}/run", tag = "workflows",
    params(("id" = String, Path), ("test" = String, Path)), request_body = Against,
    responses((status = 200, body = VerdictView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path((id, test)): Path<(String, String)>,
    OptionalBody(against): OptionalBody<Against>,
) -> ApiResult<Json<VerdictView>> {
    let (parts, ctx) = (&app.engine_parts, &caller.ctx);
    let row = workflows::named(&app, ctx, &id).await?;
    let test = super::named(&app, ctx, &row, &test).await?;
    let (which, accept) = against.read()?;
    let verdict = saved_tests::run(parts, ctx, &row, test, &which).await?;
    if accept {
        trial::may_write(ctx, "Changing what a test expects")?;
        saved_tests::accept(parts, ctx, &row, &verdict).await?;
    }
    Ok(Json(VerdictView::of(verdict, true)))
}
