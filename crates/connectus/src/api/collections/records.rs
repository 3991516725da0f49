//! `GET /api/v1/collections/{collection}/records`.

use axum::{Json, extract::State};
use connectus_core::Error;

use super::{
    Named, RecordView,
    wanted::{Wanted, WantedQuery},
};
use crate::{
    app::App,
    http::{ApiResult, Caller, Paged, Paging, paging::PageQuery},
};

/// List the records of a collection.
///
/// Filters: `filter[email][contains]=@example.com`, with eq, ne, contains, gt, gte, lt, lte and
/// is_null; `filter[city]=Dakar` is eq. All must hold.
#[utoipa::path(get, path = "/api/v1/collections/{collection}/records", tag = "collections",
    params(("collection" = String, Path), PageQuery, WantedQuery),
    responses((status = 200, body = Paged<RecordView>)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    named: Named,
    Paging(page): Paging,
    wanted: Wanted,
) -> ApiResult<Json<Paged<RecordView>>> {
    let mut conn = app.store().read().await?;
    if conn.collection(&caller.ctx, &named.collection).await?.is_none() {
        return Err(Error::not_found("collection").into());
    }
    let found = conn.search_records(&caller.ctx, &named.collection, &wanted.search, page).await?;
    Ok(Json(Paged::of(found, page, |mut record| {
        wanted.cut(&mut record.data);
        RecordView::of(record)
    })))
}
