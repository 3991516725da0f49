//! `GET /api/v1/users/{id}`.

use axum::{
    extract::{Path, State},
    response::Response,
};
use connectus_core::Error;

use super::UserView;
use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// One person.
#[utoipa::path(get, path = "/api/v1/users/{id}", tag = "users", params(("id" = String, Path)),
    responses((status = 200, body = UserView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<Response> {
    let user = app.store().read().await?.user(&caller.ctx, &super::id(&id)?).await?;
    Ok(super::answer(user.ok_or_else(|| Error::not_found("user"))?))
}
