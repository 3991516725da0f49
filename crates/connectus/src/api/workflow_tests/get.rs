//! `GET /api/v1/workflows/{id}/tests/{test}`.

use axum::{
    Json,
    extract::{Path, State},
};

use super::TestView;
use crate::{
    api::workflows,
    app::App,
    http::{ApiResult, Caller},
};

/// Get a test of a workflow, with all it does and expects.
#[utoipa::path(get, path = "/api/v1/workflows/{id}/tests/{test}", tag = "workflows",
    params(("id" = String, Path), ("test" = String, Path)),
    responses((status = 200, body = TestView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path((id, test)): Path<(String, String)>,
) -> ApiResult<Json<TestView>> {
    let row = workflows::named(&app, &caller.ctx, &id).await?;
    let test = super::named(&app, &caller.ctx, &row, &test).await?;
    Ok(Json(TestView::of(test, true)))
}
