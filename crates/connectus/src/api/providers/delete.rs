//! `DELETE /api/v1/providers/{id}`.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use connectus_core::{Code, Error};
use connectus_engine::providers;
use connectus_store::provider_versions::Bringer;

use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// Remove a provider of this tenant with all its versions. Refused while integrations use it.
#[utoipa::path(delete, path = "/api/v1/providers/{id}", tag = "providers",
    params(("id" = String, Path)), responses((status = 204)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    let listed = super::named(&app, &caller, &id).await?;
    if listed.brought.is_none_or(|brought| brought.for_all) {
        let detail = "Only providers that this tenant has added can be removed by it.";
        return Err(Error::new(Code::Conflict, detail).into());
    }
    providers::remove(app.store(), &Bringer::Tenant(caller.ctx.clone()), &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
