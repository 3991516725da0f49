//! `GET /api/v1/workflows/{id}/tests`.

use axum::{
    Json,
    extract::{Path, State},
};
use connectus_engine::workflows::saved_tests;

use super::TestView;
use crate::{
    api::workflows,
    app::App,
    http::{ApiResult, Caller, Paged, Paging, paging::PageQuery},
};

/// List the tests of a workflow, by name.
#[utoipa::path(get, path = "/api/v1/workflows/{id}/tests", tag = "workflows",
    params(("id" = String, Path), PageQuery), responses((status = 200, body = Paged<TestView>)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Paging(page): Paging,
) -> ApiResult<Json<Paged<TestView>>> {
    let row = workflows::named(&app, &caller.ctx, &id).await?;
    let found = saved_tests::list(&app.engine_parts, &caller.ctx, &row, page).await?;
    Ok(Json(Paged::of(found, page, |test| TestView::of(test, false))))
}
