//! `DELETE /api/v1/integrations/{id}`.

use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
};

use crate::{
    app::App,
    http::{ApiResult, Caller, etag},
};

/// Delete an integration with its credential, data flows and workflows.
///
/// The sealed secrets are erased at once. An OAuth token is then given back to the provider; how
/// that went is in the audit log.
#[utoipa::path(delete, path = "/api/v1/integrations/{id}", tag = "integrations",
    params(("id" = String, Path)), responses((status = 204)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> ApiResult<StatusCode> {
    let guard = move |version| etag::check(&headers, version);
    super::connections(&app).delete(&caller.ctx, &super::id(&id)?, guard).await?;
    Ok(StatusCode::NO_CONTENT)
}
