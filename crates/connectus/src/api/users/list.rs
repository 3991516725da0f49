//! `GET /api/v1/users`.

use axum::{Json, extract::State};

use super::UserView;
use crate::{
    app::App,
    http::{ApiResult, Caller, Paged, Paging, paging::PageQuery},
};

/// List the tenant's people, in the order they were added.
#[utoipa::path(get, path = "/api/v1/users", tag = "users", params(PageQuery),
    responses((status = 200, body = Paged<UserView>)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Paging(page): Paging,
) -> ApiResult<Json<Paged<UserView>>> {
    let found = app.store().read().await?.users(&caller.ctx, page).await?;
    Ok(Json(Paged::of(found, page, UserView::from)))
}
