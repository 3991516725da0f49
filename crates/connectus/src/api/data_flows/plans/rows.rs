//! `GET /api/v1/data-flows/{id}/plans/{plan}/rows`.

use axum::{
    Json,
    extract::{Path, Query, State},
};
use connectus_core::flow::Leg;
use connectus_engine::flows;
use connectus_store::plans::PlanRow;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::App,
    http::{ApiResult, Caller, Paged, Paging, paging::PageQuery},
};

/// A row of a plan.
#[derive(Serialize, ToSchema)]
pub struct PlanRowView {
    /// The record's key; of a row refused on its way in, what identifies it at the provider.
    key: String,
    /// `inbound`: written into the collection; `outbound`: sent to the provider.
    leg: &'static str,
    /// `create`, `update`, `keep` or `reject`.
    kind: String,
    /// Fields that would change: a list of `{field, before, after}`.
    #[schema(value_type = Vec<Object>)]
    changes: Value,
    /// Why it would be refused: a list of `{field, message}`.
    #[schema(value_type = Vec<Object>)]
    errors: Value,
}

impl PlanRowView {
    fn of(row: PlanRow) -> Self {
        let mut shown = row.shown;
        let mut take = |name| shown.get_mut(name).map(Value::take).unwrap_or_default();
        let (changes, errors) = (take("changes"), take("errors"));
        let key = take("key").as_str().unwrap_or(&row.key).to_owned();
        Self { key, leg: row.leg.name(), kind: row.kind, changes, errors }
    }
}

/// Which rows to list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Only those that travel this way: `inbound` or `outbound`.
    #[param(value_type = Option<String>)]
    leg: Option<Leg>,
    /// Only this kind: `create`, `update`, `keep` or `reject`.
    kind: Option<String>,
}

/// List the rows of a plan, by the way they travel and by key.
#[utoipa::path(get, path = "/api/v1/data-flows/{id}/plans/{plan}/rows", tag = "data flows",
    params(("id" = String, Path), ("plan" = String, Path), PageQuery, Filter),
    responses((status = 200, body = Paged<PlanRowView>)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path((id, plan)): Path<(String, String)>,
    Paging(page): Paging,
    Query(filter): Query<Filter>,
) -> ApiResult<Json<Paged<PlanRowView>>> {
    let plan = super::named(&app, &caller.ctx, &id, &plan).await?;
    let wanted = (filter.leg, filter.kind.as_deref());
    let found = flows::plan_rows(&app.engine_parts, &caller.ctx, &plan, wanted, page).await?;
    Ok(Json(Paged::of(found, page, PlanRowView::of)))
}
