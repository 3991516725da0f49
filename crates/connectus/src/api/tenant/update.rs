//! `PATCH /api/v1/tenant`.

use axum::{extract::State, http::HeaderMap, response::Response};
use connectus_core::{Code, Error, queue::Weight};
use connectus_store::tenants::Tenant;
use serde::Deserialize;
use utoipa::ToSchema;

use super::TenantView;
use crate::{
    app::App,
    auth::tenancy::{self, TenantChange},
    http::{ApiResult, Body, Caller, caller::Via, etag},
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
    /// Turns that its runs get where those of another tenant get one, 1 to 100. Only the
    /// operator's service (`X-Service-Secret`) may say.
    weight: Option<u32>,
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
    if body.weight.is_some() && !matches!(caller.via, Via::Service) {
        let detail = "A tenant cannot say what it weighs: the operator does, with `connectus \
                      tenant update --weight` or the service secret.";
        return Err(Error::new(Code::Forbidden, detail).into());
    }
    let weight = body.weight.map(Weight::new).transpose()?;
    let change =
        TenantChange { name: body.name, timezone: body.timezone, weight, ..Default::default() };
    let guard = move |tenant: &Tenant| etag::check(&headers, super::version(tenant));
    Ok(super::answer(tenancy::update(app.store(), caller.ctx, change, guard).await?))
}
