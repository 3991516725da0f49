//! `POST /api/v1/data-flows/{id}/rejected/replay`.

use axum::{
    Json,
    extract::{Path, State},
};
use connectus_core::{Error, RejectedRowId, Result};
use connectus_engine::flows;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{ApiResult, Caller, OptionalBody},
};

/// Rows that one request names at most.
const MAX_IDS: usize = 1_000;

/// Which rows to try again.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayRequest {
    /// Their identifiers; without any, all rows that are open.
    #[serde(default)]
    ids: Vec<String>,
}

impl ReplayRequest {
    fn ids(&self) -> Result<Vec<RejectedRowId>> {
        if self.ids.len() > MAX_IDS {
            return Err(Error::invalid("ids", format!("names at most {MAX_IDS} rows.")));
        }
        let parse =
            |id: &String| RejectedRowId::parse(id).ok_or_else(|| Error::not_found("rejected row"));
        self.ids.iter().map(parse).collect()
    }
}

/// What became of the rows.
#[derive(Serialize, ToSchema)]
pub struct ReplayView {
    /// Rows the flow has taken now.
    replayed: u64,
    /// Rows it still refuses.
    still_rejected: Vec<StillRejectedView>,
}

/// A row that is still refused.
#[derive(Serialize, ToSchema)]
pub struct StillRejectedView {
    /// The row.
    id: String,
    /// Why: a list of `{field, message}`.
    #[schema(value_type = Vec<Object>)]
    errors: Value,
}

/// Try refused rows again, with the mapping as it is now.
///
/// The provider is not asked again. A row that waits because it changed on both sides takes the
/// provider's value.
#[utoipa::path(post, path = "/api/v1/data-flows/{id}/rejected/replay", tag = "data flows",
    params(("id" = String, Path)), request_body = ReplayRequest,
    responses((status = 200, body = ReplayView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    OptionalBody(request): OptionalBody<ReplayRequest>,
) -> ApiResult<Json<ReplayView>> {
    let (id, ids) = (super::id(&id)?, request.ids()?);
    let replay = flows::replay_rejected(&app.engine_parts, &caller.ctx, &id, &ids).await?;
    let still = replay.still_rejected.into_iter();
    Ok(Json(ReplayView {
        replayed: replay.replayed,
        still_rejected: still
            .map(|row| StillRejectedView { id: row.id.to_string(), errors: row.errors })
            .collect(),
    }))
}
