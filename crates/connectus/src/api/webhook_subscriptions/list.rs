//! `GET /api/v1/webhook-subscriptions`.

use axum::{Json, extract::State};

use super::SubscriptionView;
use crate::{
    app::App,
    http::{ApiResult, Caller, Paged, Paging, paging::PageQuery},
};

/// List subscriptions for outgoing webhooks, newest first.
#[utoipa::path(get, path = "/api/v1/webhook-subscriptions", tag = "webhooks", params(PageQuery),
    responses((status = 200, body = Paged<SubscriptionView>)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Paging(page): Paging,
) -> ApiResult<Json<Paged<SubscriptionView>>> {
    let found = app.store().read().await?.subscriptions(&caller.ctx, page).await?;
    Ok(Json(Paged::of(found, page, SubscriptionView::from)))
}
