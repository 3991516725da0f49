//! `GET /api/v1/notification-rules/{id}`.

use axum::{
    extract::{Path, State},
    response::Response,
};

use super::RuleView;
use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// Get a rule.
#[utoipa::path(get, path = "/api/v1/notification-rules/{id}", tag = "notifications",
    params(("id" = String, Path)), responses((status = 200, body = RuleView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<Response> {
    Ok(super::answer(super::named(&app, &caller.ctx, &id).await?))
}
