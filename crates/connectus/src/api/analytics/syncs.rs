//! `GET /api/v1/analytics/syncs`.

use axum::{
    Json,
    extract::{Query, State},
};
use connectus_core::analytics::{Place, SYNCS, Sum};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    fold::{self, Fold},
    outcomes::Outcomes,
    span,
};
use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// Which figures.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// The first day in UTC, `YYYY-MM-DD`; 29 days before `to` when absent.
    from: Option<String>,
    /// The last day in UTC, `YYYY-MM-DD`; today when absent.
    to: Option<String>,
    /// Only of this data flow.
    flow_id: Option<String>,
}

/// Figures about syncs.
#[derive(Serialize, ToSchema)]
pub struct SyncAnalytics {
    /// By day and data flow, oldest day first.
    items: Vec<SyncDay>,
    /// All of them together.
    totals: SyncFigures,
    /// The first day looked at.
    from: String,
    /// The last day looked at.
    to: String,
    /// Events that have happened and are not counted yet.
    behind: u64,
}

/// Figures of a data flow on one day.
#[derive(Serialize, ToSchema)]
pub struct SyncDay {
    /// The day in UTC.
    #[schema(example = "2026-06-12")]
    day: String,
    /// The data flow.
    flow_id: String,
    /// Its figures.
    #[serde(flatten)]
    figures: SyncFigures,
}

/// Syncs, and what became of their records.
#[derive(Default, Serialize, ToSchema)]
pub struct SyncFigures {
    /// The syncs.
    #[serde(flatten)]
    outcomes: Outcomes,
    /// Their records.
    records: RecordFigures,
}

/// What became of records.
#[derive(Default, Serialize, ToSchema)]
pub struct RecordFigures {
    /// Were new.
    created: u64,
    /// Changed.
    updated: u64,
    /// Were there as they are.
    unchanged: u64,
    /// Left as they are because a change on the other side wins.
    kept: u64,
    /// Refused, with a reason.
    rejected: u64,
}

impl Fold for SyncFigures {
    fn add(&mut self, place: &Place, sum: Sum) -> bool {
        if self.outcomes.add(place, sum) {
            return true;
        }
        let counter = match place.label.as_str() {
            "records.created" => &mut self.records.created,
            "records.updated" => &mut self.records.updated,
            "records.unchanged" => &mut self.records.unchanged,
            "records.kept" => &mut self.records.kept,
            "records.rejected" => &mut self.records.rejected,
            _ => return false,
        };
        *counter += sum.count;
        true
    }

    fn done(mut self) -> Self {
        self.outcomes = self.outcomes.done();
        self
    }
}

/// Figures about syncs, by day and data flow.
///
/// They are made of events, a moment after these happened, and stay when the events are forgotten.
#[utoipa::path(get, path = "/api/v1/analytics/syncs", tag = "analytics", params(Filter),
    responses((status = 200, body = SyncAnalytics)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Query(asked): Query<Filter>,
) -> ApiResult<Json<SyncAnalytics>> {
    let days = (asked.from.as_deref(), asked.to.as_deref());
    let found = span::read(&app, &caller.ctx, &SYNCS, days, asked.flow_id.as_deref()).await?;
    let folded = fold::by_day::<SyncFigures>(found.sums);
    let item = |(day, flow_id, figures)| SyncDay { day, flow_id, figures };
    Ok(Json(SyncAnalytics {
        items: folded.items.into_iter().map(item).collect(),
        totals: folded.totals,
        from: found.from,
        to: found.to,
        behind: found.behind,
    }))
}
