//! `GET /api/v1/integrations`.

use axum::{
    Json,
    extract::{Query, State},
};
use connectus_core::{Code, Error, integration::IntegrationStatus};
use connectus_store::integrations::IntegrationFilter;
use serde::Deserialize;
use utoipa::IntoParams;

use super::IntegrationView;
use crate::{
    app::App,
    http::{ApiResult, Caller, Paged, Paging, paging::PageQuery},
};

/// Which integrations to list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Only of this provider.
    provider: Option<String>,
    /// Only in this status.
    status: Option<String>,
    /// Only those the caller created.
    #[serde(default)]
    mine: bool,
}

/// List the tenant's integrations, newest first.
#[utoipa::path(get, path = "/api/v1/integrations", tag = "integrations",
    params(PageQuery, Filter), responses((status = 200, body = Paged<IntegrationView>)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Paging(page): Paging,
    Query(query): Query<Filter>,
) -> ApiResult<Json<Paged<IntegrationView>>> {
    let created_by = match (query.mine, caller.ctx.actor().user()) {
        (false, _) => None,
        (true, Some(user)) => Some(user.clone()),
        (true, None) => {
            let detail = "`mine` needs a credential that acts for a person.";
            return Err(Error::new(Code::BadRequest, detail).into());
        }
    };
    let status = query.status.as_deref().map(str::parse::<IntegrationStatus>).transpose()?;
    let filter = IntegrationFilter { provider: query.provider, status, created_by };
    let today = app.env().now();
    let found = app.store().read().await?.integrations(&caller.ctx, &filter, page, today).await?;
    Ok(Json(Paged::of(found, page, |stored| IntegrationView::of(&app, stored))))
}
