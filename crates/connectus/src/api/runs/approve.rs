//! `POST /api/v1/runs/{id}/approvals`.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use connectus_engine::driver::Decision;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{ApiResult, Body, Caller},
};

/// A person's answer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Decision)]
pub struct AnswerBody {
    /// The path of the step that asks.
    step: String,
    /// Yes or no.
    approved: bool,
    /// Why.
    #[serde(default)]
    comment: String,
}

/// Answer a step that waits for a person.
///
/// Where the step names `approvers`, one of them must: a person by e-mail address, or anyone with
/// the role or one above it.
#[utoipa::path(post, path = "/api/v1/runs/{id}/approvals", tag = "runs",
    params(("id" = String, Path)), request_body = AnswerBody, responses((status = 204)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Body(answer): Body<AnswerBody>,
) -> ApiResult<StatusCode> {
    let run = super::named(&app, &caller.ctx, &id).await?;
    let AnswerBody { step, approved, comment } = answer;
    let decision = Decision { step, approved, comment };
    app.engine.decide(&caller.ctx, run, decision).await?;
    Ok(StatusCode::NO_CONTENT)
}
