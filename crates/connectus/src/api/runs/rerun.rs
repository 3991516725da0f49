//! `POST /api/v1/runs/{id}/rerun`.

use axum::{
    extract::{Path, State},
    response::Response,
};
use connectus_core::{Error, Result};
use connectus_engine::driver::Rerun;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::RunView;
use crate::{
    app::App,
    http::{ApiResult, Body, Caller},
};

/// What to run again: either from a step, or with another input.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Again {
    /// The path of a step the run began, or the id of one with steps inside: it and what comes
    /// after it begins anew, everything else is taken over.
    #[serde(default)]
    from_step: Option<String>,
    /// The input to begin with; nothing is taken over.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    input: Option<Value>,
    /// With `input`: `pinned` (the default) is the definition the run had, `current` the one its
    /// workflow has now.
    #[serde(default)]
    definition: Option<Definition>,
}

/// Which definition.
#[derive(Clone, Copy, Deserialize, PartialEq, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Definition {
    /// The one the run had.
    Pinned,
    /// The one its workflow has now.
    Current,
}

impl Again {
    fn read(self) -> Result<Rerun> {
        let current = self.definition == Some(Definition::Current);
        match (self.from_step, self.input) {
            (None, Some(input)) => Ok(Rerun::WithInput { input, current }),
            (Some(_), None) if current => Err(Error::invalid(
                "definition",
                "can be `current` with an `input` only: earlier outputs belong to the definition \
                 that made them",
            )),
            (Some(step), None) => Ok(Rerun::FromStep(step)),
            (Some(_), Some(_)) => Err(Error::invalid(
                "input",
                "cannot be given with `from_step`: earlier outputs come from the earlier input",
            )),
            (None, None) => Err(Error::invalid(
                "from_step",
                "or `input` is needed; to run it again unchanged, use `retry`",
            )),
        }
    }
}

/// Run it again from a step with what earlier steps made, or with another input, as a new run.
#[utoipa::path(post, path = "/api/v1/runs/{id}/rerun", tag = "runs",
    params(("id" = String, Path)), request_body = Again,
    responses((status = 202, body = RunView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Body(again): Body<Again>,
) -> ApiResult<Response> {
    let run = super::named(&app, &caller.ctx, &id).await?;
    Ok(super::started(app.engine.rerun(&caller.ctx, &run, again.read()?).await?))
}
