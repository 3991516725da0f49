//! `POST /api/v1/providers/{id}/versions`.

use axum::{
    extract::{Path, State},
    response::Response,
};
use connectus_core::Error;
use connectus_engine::providers;
use connectus_store::provider_versions::Bringer;

use super::create::{BroughtView, CreateProvider};
use crate::{
    app::App,
    http::{ApiResult, Body, Caller},
};

/// Add a version to a provider of this tenant.
///
/// Integrations follow it at once, except those that stay with a version. The same content as
/// before makes no new version.
#[utoipa::path(post, path = "/api/v1/providers/{id}/versions", tag = "providers",
    params(("id" = String, Path)), request_body = CreateProvider,
    responses((status = 201, body = BroughtView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Body(body): Body<CreateProvider>,
) -> ApiResult<Response> {
    let mut new = body.read()?;
    if new.name.as_ref().is_some_and(|name| *name != id) {
        return Err(Error::invalid("name", "is another provider's than the path says.").into());
    }
    new.name = Some(id);
    let bringer = Bringer::Tenant(caller.ctx.clone());
    let brought = providers::bring(app.store(), &bringer, new, Some(true)).await?;
    Ok(BroughtView::answer(brought)?)
}
