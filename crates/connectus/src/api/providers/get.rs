//! `GET /api/v1/providers/{id}`.

use axum::{
    Json,
    extract::{Path, State},
};

use super::ProviderView;
use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// Get a provider.
#[utoipa::path(get, path = "/api/v1/providers/{id}", tag = "providers",
    params(("id" = String, Path)), responses((status = 200, body = ProviderView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<Json<ProviderView>> {
    Ok(Json(ProviderView::of(super::named(&app, &caller, &id).await?)))
}
