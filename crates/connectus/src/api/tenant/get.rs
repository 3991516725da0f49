//! `GET /api/v1/tenant`.

use axum::{extract::State, response::Response};
use connectus_core::Error;

use super::TenantView;
use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// The caller's organisation.
#[utoipa::path(get, path = "/api/v1/tenant", tag = "tenant",
    responses((status = 200, body = TenantView)))]
pub async fn handle(State(app): State<App>, caller: Caller) -> ApiResult<Response> {
    let tenant = app.store().read().await?.tenant(caller.ctx.tenant()).await?;
    Ok(super::answer(tenant.ok_or_else(|| Error::not_found("tenant"))?))
}
