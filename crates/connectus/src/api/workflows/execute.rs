//! `POST /api/v1/workflows/{id}/execute`.

use axum::{
    Json,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use connectus_core::{
    Error, Result, Timestamp,
    workflow::{MAX_SPAN, Span},
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
    /// Not before this time; now when left out. Until then the run is `waiting`.
    #[schema(value_type = Option<String>, format = DateTime)]
    start_at: Option<Timestamp>,
    /// Not before so long from now, instead: `90s`, `15m`, `2h`.
    #[schema(value_type = Option<String>)]
    delay: Option<Span>,
}

impl Execution {
    /// When the run is to begin.
    fn due(&self, now: Timestamp) -> Result<Option<Timestamp>> {
        let due = match (self.start_at, self.delay) {
            (Some(_), Some(_)) => {
                let message = "cannot be given beside `start_at`: say one of them.";
                return Err(Error::invalid("delay", message));
            }
            (at, delay) => at.or_else(|| delay.map(|delay| delay.after(now))),
        };
        if due.is_some_and(|due| due > MAX_SPAN.after(now)) {
            return Err(Error::invalid("start_at", "must be within 366 days."));
        }
        Ok(due)
    }
}

fn empty() -> Value {
    json!({})
}

/// Execute a workflow, now or later.
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
    let due = execution.due(app.engine_parts.env().now())?;
    let parts = &app.engine_parts;
    let run = workflows::execute_at(parts, &caller.ctx, &row, execution.input, due).await?;
    let location = [(header::LOCATION, format!("/api/v1/runs/{}", run.id))];
    Ok((StatusCode::ACCEPTED, location, Json(RunView::of(run))).into_response())
}
