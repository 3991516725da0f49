//! `POST /api/v1/notification-rules/{id}/test`.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use connectus_engine::notifications::rules;

use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// Tell people once that this is a trial, now, whether or not the rule is enabled.
///
/// The answer is 204 when the message was handed over; otherwise it says what went wrong.
#[utoipa::path(post, path = "/api/v1/notification-rules/{id}/test", tag = "notifications",
    params(("id" = String, Path)), responses((status = 204)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    let rule = super::named(&app, &caller.ctx, &id).await?;
    rules::try_out(&app.engine_parts, &caller.ctx, &rule).await?;
    Ok(StatusCode::NO_CONTENT)
}
