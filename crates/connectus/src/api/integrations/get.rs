//! `GET /api/v1/integrations/{id}`.

use axum::{
    extract::{Path, State},
    response::Response,
};

use super::IntegrationView;
use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// Get an integration. Its credential is described, never shown.
#[utoipa::path(get, path = "/api/v1/integrations/{id}", tag = "integrations",
    params(("id" = String, Path)), responses((status = 200, body = IntegrationView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<Response> {
    let stored = super::connections(&app).view(&caller.ctx, &super::id(&id)?).await?;
    Ok(super::answer(&app, stored))
}
