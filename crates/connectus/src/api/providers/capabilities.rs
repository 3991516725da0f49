//! `GET /api/v1/providers/{id}/capabilities`.

use axum::{
    Json,
    extract::{Path, State},
};
use serde_json::Value;

use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// What Connectus can do with a provider today.
///
/// Sign-in methods with the fields each needs, streams, actions with the schema of their input,
/// events that can start a workflow.
#[utoipa::path(get, path = "/api/v1/providers/{id}/capabilities", tag = "providers",
    params(("id" = String, Path)), responses((status = 200, body = Object)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<Json<Value>> {
    Ok(Json(super::named(&app, &caller, &id).await?.provider.capabilities))
}
