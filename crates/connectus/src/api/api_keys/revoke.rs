//! `DELETE /api/v1/api-keys/{id}`.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use connectus_core::{ApiKeyId, Error};

use crate::{
    app::App,
    auth::keys,
    http::{ApiResult, Caller},
};

/// Revoke an API key. It stops working at once and stays listed.
#[utoipa::path(delete, path = "/api/v1/api-keys/{id}", tag = "api-keys",
    params(("id" = String, Path)), responses((status = 204)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    let id = ApiKeyId::parse(&id).ok_or_else(|| Error::not_found("API key"))?;
    keys::revoke(app.store(), caller.ctx, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
