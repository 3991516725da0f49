//! `GET /api/v1/data-flows/{id}/runs`.

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

/// List the syncs of a data flow, newest first.
#[utoipa::path(get, path = "/api/v1/data-flows/{id}/runs", tag = "data flows",
    params(("id" = String, Path), PageQuery), responses((status = 200, body = Paged<RunView>)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Paging(page): Paging,
) -> ApiResult<Json<Paged<RunView>>> {
    let flow = super::named(&app, &caller.ctx, &id).await?;
    let filter = RunFilter { subject_id: Some(flow.id.to_string()), ..RunFilter::default() };
    let found = app.store().read().await?.runs(&caller.ctx, &filter, page).await?;
    Ok(Json(Paged::of(found, page, RunView::of)))
}
