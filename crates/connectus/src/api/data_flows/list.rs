//! `GET /api/v1/data-flows`.

use axum::{
    Json,
    extract::{Query, State},
};
use connectus_store::flows::FlowFilter;
use serde::Deserialize;
use utoipa::IntoParams;

use super::FlowView;
use crate::{
    app::App,
    http::{ApiResult, Caller, Paged, Paging, paging::PageQuery},
};

/// Which data flows to list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Only those of this integration.
    integration: Option<String>,
    /// Only this status.
    status: Option<String>,
    /// Only this direction.
    direction: Option<String>,
}

/// List data flows.
#[utoipa::path(get, path = "/api/v1/data-flows", tag = "data flows",
    params(PageQuery, Filter), responses((status = 200, body = Paged<FlowView>)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Paging(page): Paging,
    Query(filter): Query<Filter>,
) -> ApiResult<Json<Paged<FlowView>>> {
    let filter = FlowFilter {
        integration: filter.integration.as_deref().map(super::integration).transpose()?,
        status: filter.status.as_deref().map(str::parse).transpose()?,
        direction: filter.direction.as_deref().map(str::parse).transpose()?,
    };
    let found = app.store().read().await?.flows(&caller.ctx, &filter, page).await?;
    Ok(Json(Paged::of(found, page, FlowView::of)))
}
