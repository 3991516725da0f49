//! `GET /api/v1/integrations/health_summary`.

use axum::{Json, extract::State};
use connectus_core::health::{FORMULA, Level, WINDOW_DAYS};
use connectus_engine::health::{self, Scored};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{ApiResult, Caller, Paging, paging::PageQuery},
};

/// How all integrations do.
#[derive(Serialize, ToSchema)]
pub struct HealthSummary {
    /// Integrations of this page, worst first.
    items: Vec<HealthView>,
    /// Integrations in all.
    total_count: usize,
    /// Rows asked for.
    limit: u32,
    /// Rows skipped.
    offset: u64,
    /// Integrations with a score of 80 and more.
    healthy: usize,
    /// Integrations with a score of 50 to 79.
    degraded: usize,
    /// Integrations with a score below 50.
    failing: usize,
    /// The mean of all scores; null without integrations.
    average_score: Option<u64>,
    /// Problems nobody resolved yet.
    open_problems: u64,
    /// How a score follows from its parts.
    formula: &'static str,
    /// Days of history looked at.
    window_days: u32,
}

/// How one integration does, and what its score follows from.
#[derive(Serialize, ToSchema)]
pub struct HealthView {
    /// The integration.
    integration_id: String,
    /// Its name.
    name: String,
    /// Its provider.
    provider: String,
    /// Where it stands.
    status: String,
    /// 0 to 100.
    health_score: u8,
    /// `healthy`, `degraded` or `failing`.
    level: &'static str,
    /// How much history stands behind the score: 0 without any run, towards 1.
    confidence: f64,
    /// Problems nobody resolved yet.
    open_problems: u64,
    /// The parts of the formula, each 0 to 1.
    #[schema(value_type = Object)]
    parts: Value,
    /// What the parts were computed from.
    #[schema(value_type = Object)]
    inputs: Value,
    /// Why the score is lower than the formula says.
    #[schema(value_type = Vec<Object>)]
    caps: Value,
}

impl HealthView {
    fn of(scored: Scored) -> Self {
        let Scored { figures, health } = scored;
        Self {
            integration_id: figures.integration.to_string(),
            name: figures.name,
            provider: figures.provider,
            status: figures.status,
            health_score: health.score,
            level: health.level.name(),
            confidence: health.confidence,
            open_problems: figures.open_problems,
            parts: json!(health.parts),
            inputs: json!(health.inputs),
            caps: json!(health.caps),
        }
    }
}

/// How all integrations do, worst first, with what each score follows from.
#[utoipa::path(get, path = "/api/v1/integrations/health_summary", tag = "integrations",
    params(PageQuery), responses((status = 200, body = HealthSummary)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Paging(page): Paging,
) -> ApiResult<Json<HealthSummary>> {
    let all = health::scores(app.store(), &caller.ctx).await?;
    let at = |level: Level| all.iter().filter(|one| one.health.level == level).count();
    let sum: u64 = all.iter().map(|one| u64::from(one.health.score)).sum();
    let total_count = all.len();
    let skip = usize::try_from(page.offset).unwrap_or(usize::MAX);
    let take = usize::try_from(page.limit).unwrap_or(usize::MAX);
    Ok(Json(HealthSummary {
        healthy: at(Level::Healthy),
        degraded: at(Level::Degraded),
        failing: at(Level::Failing),
        average_score: sum.checked_div(u64::try_from(total_count).unwrap_or_default()),
        open_problems: all.iter().map(|one| one.figures.open_problems).sum(),
        items: all.into_iter().skip(skip).take(take).map(HealthView::of).collect(),
        total_count,
        limit: page.limit,
        offset: page.offset,
        formula: FORMULA,
        window_days: WINDOW_DAYS,
    }))
}
