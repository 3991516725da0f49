//! `GET /api/v1/auth/me`.

use axum::{Json, extract::State};
use connectus_core::access::Permission;

use super::Me;
use crate::{
    app::App,
    http::{ApiResult, Caller, caller::Via},
};

/// Who one is, and what one may do.
#[utoipa::path(get, path = "/api/v1/auth/me", tag = "auth", responses((status = 200, body = Me)))]
pub async fn handle(State(app): State<App>, caller: Caller) -> ApiResult<Json<Me>> {
    let role = caller.ctx.role();
    let user = match caller.ctx.actor().user() {
        None => None,
        Some(id) => app.store().read().await?.user(&caller.ctx, id).await?,
    };
    let (via, csrf_token) = match caller.via {
        Via::Console { csrf_token, .. } => ("console", Some(csrf_token)),
        Via::Token { .. } => ("token", None),
        Via::ApiKey => ("api_key", None),
        Via::Service => ("service", None),
    };
    let held = Permission::ALL.iter().filter(|permission| role.allows(**permission));
    Ok(Json(Me {
        id: user.as_ref().map(|user| user.id.to_string()).unwrap_or_default(),
        email: user.as_ref().map(|user| user.email.clone()).unwrap_or_default(),
        name: user.map(|user| user.name).unwrap_or_default(),
        role: role.name(),
        tenant: caller.ctx.tenant().to_string(),
        plan: caller.plan,
        permissions: held.map(|permission| permission.name()).collect(),
        via,
        csrf_token,
    }))
}
