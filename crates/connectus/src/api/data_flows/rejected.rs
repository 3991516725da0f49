//! `GET /api/v1/data-flows/{id}/rejected`.

use axum::{
    Json,
    extract::{Path, Query, State},
};
use connectus_store::rejected::RejectedRow;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::App,
    http::{ApiResult, Caller, Paged, Paging, paging::PageQuery},
};

/// A row that a data flow could not take.
#[derive(Serialize, ToSchema)]
pub struct RejectedRowView {
    /// Identifier, for replaying it.
    id: String,
    /// The run that last tried.
    run: String,
    /// `inbound`: it was to be written into the collection; `outbound`: sent to the provider.
    leg: &'static str,
    /// What identifies the row at the provider; the key of a record that was to be sent.
    source_key: String,
    /// The row as it was read; null when it was too large to keep.
    #[schema(value_type = Option<Object>)]
    source: Value,
    /// Why it was refused: a list of `{field, message}`.
    #[schema(value_type = Vec<Object>)]
    errors: Value,
    /// When it was first refused.
    created_at: String,
    /// When it was taken after all.
    replayed_at: Option<String>,
}

impl RejectedRowView {
    fn of(row: RejectedRow) -> Self {
        Self {
            id: row.id.to_string(),
            run: row.run.to_string(),
            leg: row.leg.name(),
            source_key: row.source_key,
            source: row.source,
            errors: row.errors,
            created_at: row.created_at.to_string(),
            replayed_at: row.replayed_at.map(|at| at.to_string()),
        }
    }
}

/// Which rows to list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Also those taken since.
    #[serde(default)]
    all: bool,
}

/// List the rows a data flow could not take, oldest first.
#[utoipa::path(get, path = "/api/v1/data-flows/{id}/rejected", tag = "data flows",
    params(("id" = String, Path), PageQuery, Filter),
    responses((status = 200, body = Paged<RejectedRowView>)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Paging(page): Paging,
    Query(filter): Query<Filter>,
) -> ApiResult<Json<Paged<RejectedRowView>>> {
    let flow = super::named(&app, &caller.ctx, &id).await?;
    let mut conn = app.store().read().await?;
    let found = conn.rejected_rows(&caller.ctx, &flow.id, filter.all, page).await?;
    Ok(Json(Paged::of(found, page, RejectedRowView::of)))
}
