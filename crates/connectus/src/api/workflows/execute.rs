//! `POST /api/v1/workflows/{id}/execute`.

use axum::{
    Extension,
    extract::{Path, State},
    http::HeaderMap,
    response::Response,
};
use connectus_core::{
    Error, Result, Timestamp,
    workflow::{MAX_SPAN, Span},
};
use connectus_engine::{answers::Awaited, workflows};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    api::runs::{self, RunView, answer},
    app::App,
    http::{ApiResult, Body, Caller, Patience, prefer::Wait},
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
///
/// The answer is 202 and the run as it was accepted. With `Prefer: wait=10` the caller waits up to
/// so many seconds, at most 60: 200 and the run with its output when it has ended, 424 when it
/// failed, 202 when it is still under way. Who hangs up changes nothing about the run.
#[utoipa::path(post, path = "/api/v1/workflows/{id}/execute", tag = "workflows",
    params(("id" = String, Path), ("prefer" = Option<String>, Header,
        description = "`wait=N`: wait up to N seconds for the run to end.")),
    request_body = Execution,
    responses((status = 202, body = RunView), (status = 200, body = RunView),
        (status = 424, description = "The run that was waited for failed.")))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Extension(patience): Extension<Patience>,
    headers: HeaderMap,
    Body(execution): Body<Execution>,
) -> ApiResult<Response> {
    let row = super::named(&app, &caller.ctx, &id).await?;
    let due = execution.due(app.engine_parts.env().now())?;
    let parts = &app.engine_parts;
    let run = workflows::execute_at(parts, &caller.ctx, &row, execution.input, due).await?;
    let Some(wait) = Wait::of(&headers, answer::MAX_WAIT) else { return Ok(runs::started(run)) };
    let awaited = Awaited::of(app.store(), run);
    let applied = awaited.has_place().then(|| wait.applied());
    let waits = answer::wait(&app, &patience, &caller.ctx, awaited, wait.duration());
    let run = Box::pin(waits).await?;
    let mut response = answer::of(run, RunView::of, RunView::of);
    response.headers_mut().extend(applied);
    Ok(response)
}
