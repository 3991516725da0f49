//! `POST /api/v1/runs/{id}/approvals`.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{ApiResult, Body, Caller},
};

/// A person's answer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// The path of the step that asks.
    step: String,
    /// Yes or no.
    approved: bool,
    /// Why.
    #[serde(default)]
    comment: String,
}

/// Answer a step that waits for a person.
#[utoipa::path(post, path = "/api/v1/runs/{id}/approvals", tag = "runs",
    params(("id" = String, Path)), request_body = Decision, responses((status = 204)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Body(decision): Body<Decision>,
) -> ApiResult<StatusCode> {
    let run = super::named(&app, &caller.ctx, &id).await?;
    let value = json!({
        "approved": decision.approved,
        "comment": decision.comment,
        "by": caller.ctx.actor().label(),
    });
    let name = format!("approval:{}", decision.step);
    app.engine.signal(&caller.ctx, &run.id, &name, value).await?;
    Ok(StatusCode::NO_CONTENT)
}
