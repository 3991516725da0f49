//! `POST /api/v1/runs/{id}/signal`.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use connectus_core::{Error, workflow::APPROVAL_SIGNAL};
use connectus_engine::driver::CHILD_SIGNAL;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{ApiResult, Body, Caller},
};

/// A signal.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Signal {
    /// What it is called; the run's `wait` step names it.
    name: String,
    /// What it carries; the output of the step that waits.
    #[serde(default)]
    #[schema(value_type = Object)]
    value: Value,
}

/// Signal a run. It may come before the run waits for it.
#[utoipa::path(post, path = "/api/v1/runs/{id}/signal", tag = "runs",
    params(("id" = String, Path)), request_body = Signal, responses((status = 204)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Body(signal): Body<Signal>,
) -> ApiResult<StatusCode> {
    let run = super::named(&app, &caller.ctx, &id).await?;
    let reserved = [CHILD_SIGNAL, APPROVAL_SIGNAL];
    if reserved.iter().any(|prefix| signal.name.starts_with(prefix)) || signal.name.is_empty() {
        let message = "must not be empty or begin with `child:` or `approval:`";
        return Err(Error::invalid("name", message).into());
    }
    app.engine.signal(&caller.ctx, &run.id, &signal.name, signal.value).await?;
    Ok(StatusCode::NO_CONTENT)
}
