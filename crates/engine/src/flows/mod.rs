//! Data flows: what people do with them. Running them is [`crate::sync`].

mod edit;
mod plans;
mod preview;
mod replay;
mod schema;
mod start;
mod trial;

pub use edit::{FlowChange, MAX_FLOWS, NewFlow, create, delete, update};
pub use plans::{PLAN_HOURS, apply_plan, make_plan, plan, plan_rows};
pub use preview::{MAX_PREVIEW_ROWS, Preview, PreviewKind, PreviewRow, preview};
pub use replay::{Replay, StillRejected, replay_rejected};
pub use schema::{SourceField, SourceSchema, source_schema};
pub(crate) use start::open_run;
pub use start::{resync, start_due, sync_all, sync_now};
pub use trial::{MappingTrial, Sample, test_mapping};

use connectus_core::{Error, FlowId, Result, TenantCtx, flow::DataFlow};

use crate::parts::Parts;

/// A data flow.
///
/// # Errors
/// `not_found` for an unknown one, and for another tenant's.
pub async fn get(parts: &Parts, ctx: &TenantCtx, id: &FlowId) -> Result<DataFlow> {
    let flow = parts.store.read().await?.flow(ctx, id).await?;
    flow.ok_or_else(|| Error::not_found("data flow"))
}
