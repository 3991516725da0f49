//! `POST /api/v1/integrations/{id}/disconnect`.

use axum::{
    extract::{Path, State},
    http::HeaderMap,
    response::Response,
};

use super::IntegrationView;
use crate::{
    app::App,
    http::{ApiResult, Caller, etag},
};

/// Erase an integration's credential; the integration stays, `disconnected`.
///
/// The sealed secrets are erased at once, those that verify webhooks included. An OAuth token is
/// then given back to the provider; how that went is in the audit log. Settings, data flows and the
/// webhook address stay: `PATCH` with new `auth_credentials` connects the integration again.
#[utoipa::path(post, path = "/api/v1/integrations/{id}/disconnect", tag = "integrations",
    params(("id" = String, Path)), responses((status = 200, body = IntegrationView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let guard = move |version| etag::check(&headers, version);
    let id = super::id(&id)?;
    let stored = super::connections(&app).disconnect(&caller.ctx, &id, guard).await?;
    Ok(super::answer(&app, stored))
}
