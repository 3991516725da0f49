//! `GET /api/v1/workflows/schema`.

use axum::{Json, extract::State};
use connectus_core::workflow::schema;
use connectus_engine::actions;
use serde_json::Value;

use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// Get the JSON Schema of workflow definitions.
///
/// `x-expression` marks the texts that are expressions or templates; `x-completion` lists the
/// names, filters and actions that an editor can offer.
#[utoipa::path(get, path = "/api/v1/workflows/schema", tag = "workflows",
    responses((status = 200, body = Object)))]
pub async fn handle(State(app): State<App>, caller: Caller) -> ApiResult<Json<Value>> {
    let mut schema = schema::definition();
    if let Some(completion) = schema.get_mut("x-completion") {
        let mut all = actions::described();
        if let Value::Array(all) = &mut all {
            all.extend(actions::brought(&app.engine_parts, &caller.ctx).await?);
        }
        completion["actions"] = all;
    }
    Ok(Json(schema))
}
