//! Plans of a data flow: what a sync would do, kept, and then done exactly.

pub mod apply;
pub mod get;
pub mod make;
pub mod rows;

use connectus_core::{Error, FlowPlanId, Result, TenantCtx};
use connectus_engine::flows;
use connectus_store::plans::FlowPlan;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::App;

/// A plan.
#[derive(Serialize, ToSchema)]
pub struct PlanView {
    /// Identifier.
    #[schema(example = "plan_01k6t2c8x9v3f5g7h2j4m6n8p0")]
    id: String,
    /// The data flow.
    flow: String,
    /// `making`, `ready`, `applying` or `applied`.
    state: String,
    /// What it would do: `read`, `creates`, `updates`, `unchanged`, `kept`, `rejected`,
    /// `send_creates`, `send_updates`. Empty until it is ready.
    #[schema(value_type = Object)]
    counts: Value,
    /// The run that makes it, later the one that applies it.
    run: String,
    /// When it was asked for.
    created_at: String,
    /// When it can no longer be applied.
    expires_at: String,
}

impl PlanView {
    fn of(plan: FlowPlan) -> Self {
        Self {
            id: plan.id.to_string(),
            flow: plan.flow.to_string(),
            state: plan.state,
            counts: plan.counts,
            run: plan.run.to_string(),
            created_at: plan.created_at.to_string(),
            expires_at: plan.expires_at.to_string(),
        }
    }
}

/// The plan that a path names.
async fn named(app: &App, ctx: &TenantCtx, flow: &str, plan: &str) -> Result<FlowPlan> {
    let flow = super::id(flow)?;
    let plan = FlowPlanId::parse(plan).ok_or_else(|| Error::not_found("plan"))?;
    flows::plan(&app.engine_parts, ctx, &flow, &plan).await
}
