//! `GET /api/v1/runs`.

use axum::{
    Json,
    extract::{Query, State},
};
use connectus_store::runs::RunFilter;
use serde::Deserialize;
use utoipa::IntoParams;

use super::RunView;
use crate::{
    app::App,
    http::{ApiResult, Caller, Paged, Paging, paging::PageQuery},
};

/// Which runs to list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Only `workflow` or `sync`.
    kind: Option<String>,
    /// Only this status.
    status: Option<String>,
    /// Only runs of this workflow or data flow.
    subject_id: Option<String>,
}

/// List runs, newest first.
#[utoipa::path(get, path = "/api/v1/runs", tag = "runs",
    params(PageQuery, Filter), responses((status = 200, body = Paged<RunView>)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Paging(page): Paging,
    Query(filter): Query<Filter>,
) -> ApiResult<Json<Paged<RunView>>> {
    let filter = RunFilter {
        kind: filter.kind.as_deref().map(str::parse).transpose()?,
        status: filter.status.as_deref().map(str::parse).transpose()?,
        subject_id: filter.subject_id,
    };
    let found = app.store().read().await?.runs(&caller.ctx, &filter, page).await?;
    Ok(Json(Paged::of(found, page, RunView::of)))
}
