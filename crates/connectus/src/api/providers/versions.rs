//! `GET /api/v1/providers/{id}/versions`.

use axum::{
    Json,
    extract::{Path, State},
};
use connectus_core::page::Listing;

use super::view::ProviderVersionView;
use crate::{
    app::App,
    http::{ApiResult, Caller, Paged, Paging, paging::PageQuery},
};

/// List the versions of a brought provider, newest first.
#[utoipa::path(get, path = "/api/v1/providers/{id}/versions", tag = "providers",
    params(("id" = String, Path), PageQuery),
    responses((status = 200, body = Paged<ProviderVersionView>)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Paging(page): Paging,
) -> ApiResult<Json<Paged<ProviderVersionView>>> {
    super::named(&app, &caller, &id).await?;
    let found = app.store().read().await?.provider_versions(&caller.ctx, &id).await?;
    let total_count = u64::try_from(found.len()).unwrap_or_default();
    let skip = usize::try_from(page.offset).unwrap_or(usize::MAX);
    let take = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let items = found.into_iter().skip(skip).take(take).collect();
    let listing = Listing { items, total_count };
    Ok(Json(Paged::of(listing, page, ProviderVersionView::from)))
}
