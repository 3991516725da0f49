//! `DELETE /api/v1/users/{id}`.

use axum::{
    extract::{Path, State},
    http::StatusCode,
};

use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// Remove a person. Logins, tokens and API keys of that person end at once.
#[utoipa::path(delete, path = "/api/v1/users/{id}", tag = "users", params(("id" = String, Path)),
    responses((status = 204)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    app.auth.remove_user(caller.ctx, super::id(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
