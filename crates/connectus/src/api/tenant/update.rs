//! `PATCH /api/v1/tenant`.

use axum::{extract::State, http::HeaderMap, response::Response};
use connectus_store::tenants::Tenant;
use serde::Deserialize;
use utoipa::ToSchema;

use super::TenantView;
use crate::{
    app::App,
    auth::tenancy::{self, TenantChange},
    http::{ApiResult, Body, Caller, etag},
};

/// What to change; the rest stays. The plan and suspension are the operator's to change.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeTenant {
    /// Display name.
    name: Option<String>,
    /// IANA time zone of its schedules.
    #[schema(example = "Europe/Paris")]
    timezone: Option<String>,
}

/// Change the caller's organisation.
#[utoipa::path(patch, path = "/api/v1/tenant", tag = "tenant", request_body = ChangeTenant,
    responses((status = 200, body = TenantView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Body(body): Body<ChangeTenant>,
) -> ApiResult<Response> {
    let change =
        TenantChange { name: body.name, timezone: body.timezone, ..TenantChange::default() };
    let guard = move |tenant: &Tenant| etag::check(&headers, super::version(tenant));
    Ok(super::answer(tenancy::update(app.store(), caller.ctx, change, guard).await?))
}
