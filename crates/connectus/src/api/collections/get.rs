//! `GET /api/v1/collections/{collection}`.

use axum::{Json, extract::State};
use connectus_core::Error;

use super::{CollectionView, Named};
use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// Get a collection, with the number of its records.
#[utoipa::path(get, path = "/api/v1/collections/{collection}", tag = "collections",
    params(("collection" = String, Path)), responses((status = 200, body = CollectionView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    named: Named,
) -> ApiResult<Json<CollectionView>> {
    let found = app.store().read().await?.collection(&caller.ctx, &named.collection).await?;
    Ok(Json(CollectionView::of(&found.ok_or_else(|| Error::not_found("collection"))?)))
}
