//! `GET /api/v1/deliveries`.

use axum::{
    Json,
    extract::{Query, State},
};
use connectus_store::deliveries::DeliveryFilter;
use serde::Deserialize;
use utoipa::IntoParams;

use super::DeliveryView;
use crate::{
    api::webhook_subscriptions,
    app::App,
    http::{ApiResult, Caller, Paged, Paging, paging::PageQuery},
};

/// Which deliveries to list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Only those to this subscription.
    subscription_id: Option<String>,
    /// Only `pending`, `delivered` or `dead` ones.
    status: Option<String>,
}

/// List deliveries, newest first. The dead ones are the dead letters.
#[utoipa::path(get, path = "/api/v1/deliveries", tag = "webhooks",
    params(PageQuery, Filter), responses((status = 200, body = Paged<DeliveryView>)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Paging(page): Paging,
    Query(filter): Query<Filter>,
) -> ApiResult<Json<Paged<DeliveryView>>> {
    let subscription = match filter.subscription_id.as_deref() {
        Some(text) => Some(webhook_subscriptions::named(&app, &caller.ctx, text).await?.id),
        None => None,
    };
    let status = filter.status.as_deref().map(str::parse).transpose()?;
    let filter = DeliveryFilter { subscription, status };
    let found = app.store().read().await?.deliveries(&caller.ctx, &filter, page).await?;
    Ok(Json(Paged::of(found, page, DeliveryView::from)))
}
