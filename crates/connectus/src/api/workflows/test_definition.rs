//! `POST /api/v1/workflows/test`.

use axum::{Json, extract::State};
use connectus_core::Error;
use connectus_engine::workflows::trials::{self, Which};

use super::trial::{ReportView, Trial};
use crate::{
    app::App,
    http::{ApiResult, Body, Caller},
};

/// Test a definition that belongs to no workflow yet.
///
/// As the test of a workflow; `definition` must be given.
#[utoipa::path(post, path = "/api/v1/workflows/test", tag = "workflows", request_body = Trial,
    responses((status = 200, body = ReportView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Body(trial): Body<Trial>,
) -> ApiResult<Json<ReportView>> {
    let (Which::Given(definition), plan, reality) = trial.read()? else {
        return Err(Error::invalid("/definition", "is missing: there is no workflow").into());
    };
    let program = trials::program_of(&app.engine_parts, &caller.ctx, definition).await?;
    let report = trials::test(&app.engine_parts, &caller.ctx, None, program, plan, reality).await?;
    Ok(Json(ReportView::of(report)))
}
