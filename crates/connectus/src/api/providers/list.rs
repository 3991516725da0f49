//! `GET /api/v1/providers`.

use axum::{
    Json,
    extract::{Query, State},
};
use connectus_core::{page::Listing, provider::Category};
use connectus_engine::providers;
use serde::Deserialize;
use utoipa::IntoParams;

use super::ProviderView;
use crate::{
    app::App,
    http::{ApiResult, Caller, Paged, Paging, paging::PageQuery},
};

/// Which providers to list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Only this category.
    category: Option<String>,
}

/// List providers, by their names.
#[utoipa::path(get, path = "/api/v1/providers", tag = "providers",
    params(PageQuery, Filter), responses((status = 200, body = Paged<ProviderView>)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Paging(page): Paging,
    Query(filter): Query<Filter>,
) -> ApiResult<Json<Paged<ProviderView>>> {
    let category = filter.category.as_deref().map(str::parse).transpose()?.map(Category::name);
    let mut conn = app.store().read().await?;
    let found = providers::list(&mut conn, &caller.ctx, category).await?;
    let total_count = u64::try_from(found.len()).unwrap_or_default();
    let skip = usize::try_from(page.offset).unwrap_or(usize::MAX);
    let take = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let items = found.into_iter().skip(skip).take(take).collect();
    Ok(Json(Paged::of(Listing { items, total_count }, page, ProviderView::of)))
}
