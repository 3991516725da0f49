//! `POST /api/v1/data-flows`.

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
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
    http::{ApiResult, Body, Caller},
};

/// A new data flow. `source_fields[i]` fills `target_fields[i]`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "integration": "int_01k6t2c8x9v3f5g7h2j4m6n8p0",
    "name": "Contacts Sync",
    "direction": "inbound",
    "source_fields": ["email", "first_name", "last_name"],
    "target_fields": ["email", "firstName", "lastName"],
    "transformation_rules": { "email": { "trim": true, "case": "lower" } },
    "sync_frequency": "hourly"
}))]
pub struct NewFlow {
    /// The integration to read from or to write to.
    integration: String,
    /// Display name, 1 to 100 characters.
    name: String,
    /// `inbound`: from the provider into a collection; `outbound`: from the collection to the
    /// provider; `bidirectional`: both.
    #[schema(value_type = String)]
    direction: Direction,
    /// Fields to read, by position.
    source_fields: Vec<String>,
    /// Fields to write, by position.
    target_fields: Vec<String>,
    /// Rules by target field.
    #[serde(default)]
    #[schema(value_type = Object)]
    transformation_rules: Map<String, Value>,
    /// `real-time`, `hourly`, `daily` (the default), `weekly`, `every 15m` or a cron pattern.
    #[serde(default = "daily")]
    sync_frequency: String,
    /// The provider's stream; `contacts` by default.
    #[serde(default = "contacts")]
    stream: String,
    /// The collection at this end; `digisol_crm/contacts` by default.
    #[serde(default = "built_in")]
    destination: String,
    /// Who wins when a record changed here too: `source_wins`, `target_wins`, `newest` (the
    /// default) or `manual`.
    #[serde(default = "newest")]
    #[schema(value_type = String)]
    conflict_policy: ConflictPolicy,
    /// What it is told beyond that.
    #[serde(default)]
    options: OptionsBody,
    /// `active` (the default), `draft` or `paused`.
    #[serde(default = "active")]
    #[schema(value_type = String)]
    status: FlowStatus,
}

fn daily() -> String {
    "daily".to_owned()
}

fn contacts() -> String {
    "contacts".to_owned()
}

fn built_in() -> String {
    format!("{}/contacts", connectus_core::collection::BUILT_IN)
}

const fn newest() -> ConflictPolicy {
    ConflictPolicy::Newest
}

const fn active() -> FlowStatus {
    FlowStatus::Active
}

impl NewFlow {
    fn checked(self) -> Result<flows::NewFlow> {
        Ok(flows::NewFlow {
            integration: super::integration(&self.integration)?,
            name: self.name,
            direction: self.direction,
            stream: self.stream,
            destination: super::destination(&self.destination)?,
            source_fields: self.source_fields,
            target_fields: self.target_fields,
            transformation_rules: self.transformation_rules,
            conflict_policy: self.conflict_policy,
            options: self.options.options(),
            sync_frequency: self.sync_frequency,
            status: self.status,
        })
    }
}

/// Create a data flow.
///
/// An active one runs by its schedule from now on; `POST .../sync` runs it at once.
#[utoipa::path(post, path = "/api/v1/data-flows", tag = "data flows",
    request_body = NewFlow, responses((status = 201, body = FlowView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Body(new): Body<NewFlow>,
) -> ApiResult<Response> {
    let flow = flows::create(&app.engine_parts, &caller.ctx, new.checked()?).await?;
    let location = format!("/api/v1/data-flows/{}", flow.id);
    let mut response = super::answer(flow);
    *response.status_mut() = StatusCode::CREATED;
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}
