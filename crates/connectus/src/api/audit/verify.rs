//! `GET /api/v1/audit/verify`.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// What checking the chain came to.
#[derive(Serialize, ToSchema)]
pub struct Verdict {
    /// Whether every record is as it was written.
    intact: bool,
    /// Records checked, when intact.
    records: Option<u64>,
    /// The chain's hash: keep it elsewhere to prove this much later.
    head: Option<String>,
    /// The first position that is not as it was written.
    broken_at: Option<u64>,
    /// What is wrong there.
    reason: Option<String>,
}

/// Check the audit log from its first record to its last.
#[utoipa::path(get, path = "/api/v1/audit/verify", tag = "audit",
    responses((status = 200, body = Verdict)))]
pub async fn handle(State(app): State<App>, caller: Caller) -> ApiResult<Json<Verdict>> {
    let checked = app.store().read().await?.verify_audit(&caller.ctx).await?;
    Ok(Json(match checked {
        Ok(verified) => Verdict {
            intact: true,
            records: Some(verified.records),
            head: Some(verified.head.hash.to_string()),
            broken_at: None,
            reason: None,
        },
        Err(broken) => Verdict {
            intact: false,
            records: None,
            head: None,
            broken_at: Some(broken.seq),
            reason: Some(broken.to_string()),
        },
    }))
}
