//! `PATCH /api/v1/users/{id}`.

use axum::{
    extract::{Path, State},
    http::HeaderMap,
    response::Response,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{RoleName, UserView};
use crate::{
    app::App,
    auth::people::UserChange,
    http::{ApiResult, Body, Caller, etag},
};

/// What to change; the rest stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeUser {
    /// Display name.
    name: Option<String>,
    /// What the person may do; not more than oneself.
    role: Option<RoleName>,
    /// Whether the person may sign in.
    status: Option<Standing>,
    /// The number a partner service knows the person by.
    external_id: Option<i64>,
}

/// Whether a person may sign in.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// May sign in.
    Active,
    /// May not; logins, tokens and keys end at once.
    Suspended,
}

/// Change a person.
///
/// Only owners change owners, and the last one stays an owner.
#[utoipa::path(patch, path = "/api/v1/users/{id}", tag = "users", params(("id" = String, Path)),
    request_body = ChangeUser, responses((status = 200, body = UserView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(body): Body<ChangeUser>,
) -> ApiResult<Response> {
    let change = UserChange {
        name: body.name,
        role: body.role.map(Into::into),
        active: body.status.map(|status| status == Standing::Active),
        external_id: body.external_id,
    };
    let id = super::id(&id)?;
    let guard = move |user: &connectus_store::users::User| etag::check(&headers, user.version);
    Ok(super::answer(app.auth.update_user(caller.ctx, id, change, guard).await?))
}
