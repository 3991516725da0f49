//! `PATCH /api/v1/data-flows/{id}`.

use axum::{
    extract::{Path, State},
    http::HeaderMap,
    response::Response,
};
use connectus_core::{
    Result,
    flow::{ConflictPolicy, Direction, FlowStatus},
};
use connectus_engine::flows;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{FlowView, OptionsBody};
use crate::{
    app::App,
    http::{ApiResult, Body, Caller, etag},
};

/// What to change; the rest stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "sync_frequency": "every 15m" }))]
pub struct FlowChange {
    /// The integration to read from or to write to.
    integration: Option<String>,
    /// Display name.
    name: Option<String>,
    /// `inbound`, `outbound` or `bidirectional`.
    #[schema(value_type = Option<String>)]
    direction: Option<Direction>,
    /// Fields to read, by position.
    source_fields: Option<Vec<String>>,
    /// Fields to write, by position.
    target_fields: Option<Vec<String>>,
    /// Rules by target field; they replace all rules there are.
    #[schema(value_type = Option<Object>)]
    transformation_rules: Option<Map<String, Value>>,
    /// When it runs.
    sync_frequency: Option<String>,
    /// The provider's stream.
    stream: Option<String>,
    /// The collection at this end.
    destination: Option<String>,
    /// Who wins when a record changed here too.
    #[schema(value_type = Option<String>)]
    conflict_policy: Option<ConflictPolicy>,
    /// What it is told beyond that; it replaces all there is.
    options: Option<OptionsBody>,
    /// `active`, `draft` or `paused`.
    #[schema(value_type = Option<String>)]
    status: Option<FlowStatus>,
}

impl FlowChange {
    fn checked(self) -> Result<flows::FlowChange> {
        Ok(flows::FlowChange {
            integration: self.integration.as_deref().map(super::integration).transpose()?,
            name: self.name,
            direction: self.direction,
            stream: self.stream,
            destination: self.destination.as_deref().map(super::destination).transpose()?,
            source_fields: self.source_fields,
            target_fields: self.target_fields,
            transformation_rules: self.transformation_rules,
            conflict_policy: self.conflict_policy,
            options: self.options.map(OptionsBody::options),
            sync_frequency: self.sync_frequency,
            status: self.status,
        })
    }
}

/// Change a data flow.
///
/// After a change of what is read or how it is mapped, the next sync reads everything again and
/// writes what differs.
#[utoipa::path(patch, path = "/api/v1/data-flows/{id}", tag = "data flows",
    params(("id" = String, Path)), request_body = FlowChange,
    responses((status = 200, body = FlowView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(change): Body<FlowChange>,
) -> ApiResult<Response> {
    let before = super::named(&app, &caller.ctx, &id).await?;
    etag::check(&headers, before.version)?;
    let change = change.checked()?;
    let flow = flows::update(&app.engine_parts, &caller.ctx, &before, change).await?;
    Ok(super::answer(flow))
}
