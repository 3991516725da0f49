//! `POST /api/v1/workflows/{id}/execute`.

use axum::{
    Json,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use connectus_engine::workflows;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    api::runs::RunView,
    app::App,
    http::{ApiResult, Body, Caller},
};

/// What to start with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "input": { "email": "ada@example.com" } }))]
pub struct Execution {
    /// What expressions see as `trigger`.
    #[serde(default = "empty")]
    #[schema(value_type = Object)]
    input: Value,
}

fn empty() -> Value {
    json!({})
}

/// Execute a workflow now.
#[utoipa::path(post, path = "/api/v1/workflows/{id}/execute", tag = "workflows",
    params(("id" = String, Path)), request_body = Execution,
    responses((status = 202, body = RunView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Body(execution): Body<Execution>,
) -> ApiResult<Response> {
    let row = super::named(&app, &caller.ctx, &id).await?;
    let run = workflows::execute(&app.engine_parts, &caller.ctx, &row, execution.input).await?;
    let location = [(header::LOCATION, format!("/api/v1/runs/{}", run.id))];
    Ok((StatusCode::ACCEPTED, location, Json(RunView::of(run))).into_response())
}
