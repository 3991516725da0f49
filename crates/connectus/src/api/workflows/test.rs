//! `POST /api/v1/workflows/{id}/test`.

use axum::{
    Json,
    extract::{Path, State},
};
use connectus_engine::workflows::trials::{self, Reality, Which};

use super::trial::{ReportView, Trial, may_write};
use crate::{
    app::App,
    http::{ApiResult, Caller, OptionalBody},
};

/// Test a workflow: all of it, up to a step, or one step alone.
///
/// No time passes, no run is left, and nothing is written unless `perform` is true: reads are
/// performed, writes are simulated or not performed. The answer tells step by step what happened.
/// A `definition` that is not saved, and `perform`, take `workflows:write`.
#[utoipa::path(post, path = "/api/v1/workflows/{id}/test", tag = "workflows",
    params(("id" = String, Path)), request_body = Trial,
    responses((status = 200, body = ReportView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    OptionalBody(trial): OptionalBody<Trial>,
) -> ApiResult<Json<ReportView>> {
    let (parts, ctx) = (&app.engine_parts, &caller.ctx);
    let row = super::named(&app, ctx, &id).await?;
    let (which, plan, reality) = trial.read()?;
    if matches!(which, Which::Given(_)) || reality == Reality::All {
        may_write(ctx, "Testing what is not saved, or really performing it,")?;
    }
    let program = which.read(parts, ctx, &row).await?;
    let report = trials::test(parts, ctx, Some(&row.id), program, plan, reality).await?;
    Ok(Json(ReportView::of(report)))
}
