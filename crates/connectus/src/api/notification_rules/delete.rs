//! `DELETE /api/v1/notification-rules/{id}`.

use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
};
use connectus_engine::notifications::rules;

use crate::{
    app::App,
    http::{ApiResult, Caller, etag},
};

/// Delete a rule with the log of its notifications.
#[utoipa::path(delete, path = "/api/v1/notification-rules/{id}", tag = "notifications",
    params(("id" = String, Path)), responses((status = 204)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> ApiResult<StatusCode> {
    let rule = super::named(&app, &caller.ctx, &id).await?;
    etag::check(&headers, rule.version)?;
    rules::delete(app.store(), &caller.ctx, &rule.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
