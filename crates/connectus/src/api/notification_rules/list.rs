//! `GET /api/v1/notification-rules`.

use axum::{Json, extract::State};

use super::RuleView;
use crate::{
    app::App,
    http::{ApiResult, Caller, Paged, Paging, paging::PageQuery},
};

/// List rules of notifications, newest first.
#[utoipa::path(get, path = "/api/v1/notification-rules", tag = "notifications",
    params(PageQuery), responses((status = 200, body = Paged<RuleView>)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Paging(page): Paging,
) -> ApiResult<Json<Paged<RuleView>>> {
    let found = app.store().read().await?.rules(&caller.ctx, page).await?;
    Ok(Json(Paged::of(found, page, RuleView::from)))
}
