//! `GET /api/v1/collections`.

use axum::{Json, extract::State};

use super::CollectionView;
use crate::{
    app::App,
    http::{ApiResult, Caller, Paged, Paging, paging::PageQuery},
};

/// List collections.
#[utoipa::path(get, path = "/api/v1/collections", tag = "collections",
    params(PageQuery), responses((status = 200, body = Paged<CollectionView>)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Paging(page): Paging,
) -> ApiResult<Json<Paged<CollectionView>>> {
    let found = app.store().read().await?.collections(&caller.ctx, page).await?;
    Ok(Json(Paged::of(found, page, |collection| CollectionView::of(&collection))))
}
