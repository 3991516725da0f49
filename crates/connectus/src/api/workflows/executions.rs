//! `GET /api/v1/workflows/{id}/executions`.

use axum::{
    Json,
    extract::{Path, State},
};
use connectus_store::runs::RunFilter;

use crate::{
    api::runs::RunView,
    app::App,
    http::{ApiResult, Caller, Paged, Paging, paging::PageQuery},
};

/// List the executions of a workflow, newest first.
#[utoipa::path(get, path = "/api/v1/workflows/{id}/executions", tag = "workflows",
    params(("id" = String, Path), PageQuery), responses((status = 200, body = Paged<RunView>)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Paging(page): Paging,
) -> ApiResult<Json<Paged<RunView>>> {
    let row = super::named(&app, &caller.ctx, &id).await?;
    let filter = RunFilter { subject_id: Some(row.id.to_string()), ..RunFilter::default() };
    let found = app.store().read().await?.runs(&caller.ctx, &filter, page).await?;
    Ok(Json(Paged::of(found, page, RunView::of)))
}
