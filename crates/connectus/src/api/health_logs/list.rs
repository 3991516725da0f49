//! `GET /api/v1/health-logs`.

use axum::{
    Json,
    extract::{Query, State},
};
use connectus_core::health::Severity;
use connectus_store::health_logs::HealthLogFilter;
use serde::Deserialize;
use utoipa::IntoParams;

use super::HealthLogView;
use crate::{
    api::integrations,
    app::App,
    http::{ApiResult, Caller, Paged, Paging, paging::PageQuery},
};

/// Which entries to list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Only of this integration.
    integration_id: Option<String>,
    /// Only of this severity: `low`, `medium`, `high` or `critical`.
    severity: Option<String>,
    /// `false`: open ones only; `true`: resolved ones only.
    resolved: Option<bool>,
}

/// List problems, newest first.
#[utoipa::path(get, path = "/api/v1/health-logs", tag = "health",
    params(PageQuery, Filter), responses((status = 200, body = Paged<HealthLogView>)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Paging(page): Paging,
    Query(query): Query<Filter>,
) -> ApiResult<Json<Paged<HealthLogView>>> {
    let filter = HealthLogFilter {
        integration: query.integration_id.as_deref().map(integrations::id).transpose()?,
        severity: query.severity.as_deref().map(str::parse::<Severity>).transpose()?,
        open: query.resolved.map(|resolved| !resolved),
    };
    let found = app.store().read().await?.health_logs(&caller.ctx, &filter, page).await?;
    Ok(Json(Paged::of(found, page, HealthLogView::of)))
}
