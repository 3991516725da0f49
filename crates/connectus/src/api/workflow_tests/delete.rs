//! `DELETE /api/v1/workflows/{id}/tests/{test}`.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use connectus_engine::workflows::saved_tests;

use crate::{
    api::workflows,
    app::App,
    http::{ApiResult, Caller},
};

/// Delete a test of a workflow.
#[utoipa::path(delete, path = "/api/v1/workflows/{id}/tests/{test}", tag = "workflows",
    params(("id" = String, Path), ("test" = String, Path)), responses((status = 204)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path((id, test)): Path<(String, String)>,
) -> ApiResult<StatusCode> {
    let row = workflows::named(&app, &caller.ctx, &id).await?;
    let test = super::named(&app, &caller.ctx, &row, &test).await?;
    saved_tests::delete(&app.engine_parts, &caller.ctx, &row, &test.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
