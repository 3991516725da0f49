//! `GET /api/v1/api-keys`.

use axum::{Json, extract::State};

use super::ApiKeyView;
use crate::{
    app::App,
    http::{ApiResult, Caller, Paged, Paging, paging::PageQuery},
};

/// List the tenant's API keys, newest first, revoked ones included.
#[utoipa::path(get, path = "/api/v1/api-keys", tag = "api-keys", params(PageQuery),
    responses((status = 200, body = Paged<ApiKeyView>)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Paging(page): Paging,
) -> ApiResult<Json<Paged<ApiKeyView>>> {
    let found = app.store().read().await?.api_keys(&caller.ctx, page).await?;
    Ok(Json(Paged::of(found, page, ApiKeyView::from)))
}
