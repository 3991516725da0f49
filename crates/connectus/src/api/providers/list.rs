//! `GET /api/v1/providers`.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// A list of providers.
#[derive(Serialize, ToSchema)]
pub struct Providers {
    /// Names.
    items: Vec<String>,
}

/// List providers.
#[utoipa::path(get, path = "/api/v1/providers", tag = "providers",
    responses((status = 200, body = Providers)))]
pub async fn handle(State(_app): State<App>, _caller: Caller) -> ApiResult<Json<Providers>> {
    Ok(Json(Providers { items: Vec::new() }))
}
