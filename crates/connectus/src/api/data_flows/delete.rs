//! `DELETE /api/v1/data-flows/{id}`.

use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
};
use connectus_engine::flows;

use crate::{
    app::App,
    http::{ApiResult, Caller, etag},
};

/// Delete a data flow.
///
/// A sync under way is stopped. Refused rows go with it; records that it wrote stay.
#[utoipa::path(delete, path = "/api/v1/data-flows/{id}", tag = "data flows",
    params(("id" = String, Path)), responses((status = 204)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> ApiResult<StatusCode> {
    let flow = super::named(&app, &caller.ctx, &id).await?;
    etag::check(&headers, flow.version)?;
    flows::delete(&app.engine_parts, &caller.ctx, &flow.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
