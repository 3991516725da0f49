//! `POST /api/v1/workflows/{id}/tests`.

use axum::{
    Json,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use connectus_core::Error;
use connectus_engine::workflows::{
    saved_tests::{self, Source},
    trials::{Reality, Which},
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::TestView;
use crate::{
    api::workflows::{self, trial::Trial},
    app::App,
    http::{ApiResult, Body, Caller},
};

/// A test to be kept: made of a recorded run, or of a test of the live definition.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "name": "A lead with a phone",
    "run": "run_01k6t2c8x9v3f5g7h2j4m6n8p0"
}))]
pub struct NewTest {
    /// What to call it; no other test of the workflow may have the name.
    name: String,
    /// A run of the workflow that completed or failed. All that came from outside is pinned; what
    /// the run did is what is expected.
    run: Option<String>,
    /// A test. What it reads is pinned; what it finds is what is expected.
    test: Option<Trial>,
}

/// Keep a test of a workflow.
#[utoipa::path(post, path = "/api/v1/workflows/{id}/tests", tag = "workflows",
    params(("id" = String, Path)), request_body = NewTest,
    responses((status = 201, body = TestView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Body(new): Body<NewTest>,
) -> ApiResult<Response> {
    let (parts, ctx) = (&app.engine_parts, &caller.ctx);
    let row = workflows::named(&app, ctx, &id).await?;
    let source = match (new.run, new.test) {
        (Some(run), None) => saved_tests::source(parts, ctx, &run).await?,
        (None, Some(test)) => match test.read()? {
            (Which::Live, plan, Reality::Reads) => Source::Plan(Box::new(plan)),
            (_, _, Reality::All) => {
                let message = "a test that is kept performs nothing";
                return Err(Error::invalid("/test/perform", message).into());
            }
            _ => {
                let message = "a test is made of the live definition; publish first";
                return Err(Error::invalid("/test/definition", message).into());
            }
        },
        _ => return Err(Error::invalid("/run", "give a `run` or a `test`, one of them").into()),
    };
    let test = saved_tests::save(parts, ctx, &row, &new.name, source).await?;
    let location = format!("/api/v1/workflows/{}/tests/{}", row.id, test.id);
    let view = TestView::of(test, true);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(view)).into_response())
}
