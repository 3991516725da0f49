//! Data flows.

pub mod create;
pub mod delete;
pub mod get;
pub mod list;
pub mod plans;
pub mod preview;
pub mod rejected;
pub mod replay;
pub mod resync;
pub mod runs;
pub mod schema;
pub mod sync;
pub mod test_mapping;
pub mod update;

use axum::{
    Json,
    http::header,
    response::{IntoResponse, Response},
};
use connectus_core::{
    Error, FlowId, IntegrationId, Result, TenantCtx,
    access::Permission::{FlowsRead, FlowsRun, FlowsWrite},
    collection::CollectionName,
    flow::{DataFlow, Deletes, Fields, FlowOptions, SchemaChanges},
};
use connectus_engine::flows;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{Access::Needs, Operation, etag, operation::operations},
};

pub(super) fn operations() -> Vec<Operation> {
    operations! {
        "data_flows.list" = list, Needs(FlowsRead), aliases ["/integrations/data-flows"];
        "data_flows.create" = create, Needs(FlowsWrite), aliases ["/integrations/data-flows"];
        "data_flows.get" = get, Needs(FlowsRead), aliases ["/integrations/data-flows/{id}"];
        "data_flows.update" = update, Needs(FlowsWrite), aliases ["/integrations/data-flows/{id}"];
        "data_flows.delete" = delete, Needs(FlowsWrite), aliases ["/integrations/data-flows/{id}"];
        "data_flows.test_mapping" = test_mapping, Needs(FlowsRun),
            aliases ["/integrations/data-flows/{id}/test_mapping"];
        "data_flows.preview" = preview, Needs(FlowsRun),
            aliases ["/integrations/data-flows/{id}/preview"];
        "data_flows.make_plan" = plans::make, Needs(FlowsRun);
        "data_flows.get_plan" = plans::get, Needs(FlowsRead);
        "data_flows.plan_rows" = plans::rows, Needs(FlowsRead);
        "data_flows.apply_plan" = plans::apply, Needs(FlowsRun);
        "data_flows.sync" = sync, Needs(FlowsRun), aliases [
            "/integrations/data-flows/{id}/sync",
            "/integrations/data-flows/{id}/sync_now",
        ];
        "data_flows.schema" = schema, Needs(FlowsRead);
        "data_flows.resync" = resync, Needs(FlowsRun);
        "data_flows.runs" = runs, Needs(FlowsRead), aliases ["/integrations/data-flows/{id}/runs"];
        "data_flows.rejected" = rejected, Needs(FlowsRead),
            aliases ["/integrations/data-flows/{id}/rejected"];
        "data_flows.replay" = replay, Needs(FlowsRun),
            aliases ["/integrations/data-flows/{id}/rejected/replay"];
    }
}

/// A data flow.
#[derive(Serialize, ToSchema)]
pub struct FlowView {
    /// Identifier.
    #[schema(example = "flow_01k6t2c8x9v3f5g7h2j4m6n8p0")]
    id: String,
    /// The integration it reads from or writes to.
    #[schema(example = "int_01k6t2c8x9v3f5g7h2j4m6n8p0")]
    integration: String,
    /// Display name.
    #[schema(example = "Contacts Sync")]
    name: String,
    /// `inbound`: from the provider into a collection; `outbound`: from the collection to the
    /// provider; `bidirectional`: both.
    #[schema(example = "inbound")]
    direction: &'static str,
    /// `draft`, `active`, `paused` or `error`.
    status: &'static str,
    /// Why, where no person decided it: what changed at the source of a flow that was paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    status_reason: Option<String>,
    /// The provider's stream.
    #[schema(example = "contacts")]
    stream: String,
    /// The collection at this end.
    #[schema(example = "digisol_crm/contacts")]
    destination: String,
    /// Fields read, by position.
    source_fields: Vec<String>,
    /// Fields written, by position.
    target_fields: Vec<String>,
    /// Rules by target field.
    #[schema(value_type = Object)]
    transformation_rules: Value,
    /// `source_wins`, `target_wins`, `newest` or `manual`.
    conflict_policy: &'static str,
    /// What it is told beyond that.
    options: OptionsBody,
    /// `real-time`, `hourly`, `daily`, `weekly`, `every 15m` or a cron pattern.
    sync_frequency: String,
    /// Records taken, over all runs.
    records_processed: u64,
    /// Records refused, over all runs.
    records_failed: u64,
    /// Its newest run.
    last_run: Option<String>,
    /// When it last synced to the end.
    last_synced_at: Option<String>,
    /// When it runs next.
    next_due_at: Option<String>,
    /// Who made it.
    created_by: Option<String>,
    /// When it was made.
    created_at: String,
    /// When it last changed.
    updated_at: String,
    /// Counts changes; also the `ETag`.
    version: u64,
}

/// What a flow is told beyond its mapping.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = FlowOptions)]
pub struct OptionsBody {
    /// The provider's field whose value says which of its things a record is; by default the one
    /// its pack names. It must be mapped.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "email")]
    match_field: Option<String>,
    /// Of a table that is read: the column that grows with every change, so that only what changed
    /// is read. Without it all rows are read each time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "updated_at")]
    cursor_field: Option<String>,
    /// What becomes of a record whose other side is gone: `ignore` (the default), `mark` or
    /// `delete`.
    #[schema(value_type = String)]
    deletes: Deletes,
    /// The share of records, in hundredths, that one sync may find gone; 10 by default. Beyond it,
    /// nothing is deleted or marked.
    #[schema(maximum = 100)]
    max_deletes_percent: u8,
    /// What becomes of the flow when fields at the source are new, gone or of another type:
    /// `ignore` (the default), `add` or `pause`.
    #[schema(value_type = String)]
    schema_changes: SchemaChanges,
    /// Which fields of the source are read.
    #[serde(skip_serializing_if = "FieldsBody::is_all")]
    fields: FieldsBody,
}

/// Which fields of the source are read, by the provider's names: all, only some, or all but some.
#[derive(Default, Deserialize, Serialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = FieldSelection)]
pub struct FieldsBody {
    /// Only these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["email", "firstname"]))]
    include: Vec<String>,
    /// All but these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    exclude: Vec<String>,
}

impl FieldsBody {
    fn is_all(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }
}

impl Default for OptionsBody {
    fn default() -> Self {
        Self::of(FlowOptions::default())
    }
}

impl OptionsBody {
    fn of(options: FlowOptions) -> Self {
        let Fields { include, exclude } = options.fields;
        Self {
            match_field: options.match_field,
            cursor_field: options.cursor_field,
            deletes: options.deletes,
            max_deletes_percent: options.max_deletes_percent,
            schema_changes: options.schema_changes,
            fields: FieldsBody { include, exclude },
        }
    }

    fn options(self) -> FlowOptions {
        let FieldsBody { include, exclude } = self.fields;
        FlowOptions {
            match_field: self.match_field,
            cursor_field: self.cursor_field,
            deletes: self.deletes,
            max_deletes_percent: self.max_deletes_percent,
            schema_changes: self.schema_changes,
            fields: Fields { include, exclude },
        }
    }
}

impl FlowView {
    fn of(flow: DataFlow) -> Self {
        Self {
            id: flow.id.to_string(),
            integration: flow.integration.to_string(),
            name: flow.name,
            direction: flow.direction.name(),
            status: flow.status.name(),
            status_reason: flow.status_reason,
            stream: flow.stream,
            destination: flow.destination.to_string(),
            source_fields: flow.source_fields,
            target_fields: flow.target_fields,
            transformation_rules: Value::Object(flow.transformation_rules),
            conflict_policy: flow.conflict_policy.name(),
            options: OptionsBody::of(flow.options),
            sync_frequency: flow.sync_frequency,
            records_processed: flow.records_processed,
            records_failed: flow.records_failed,
            last_run: flow.last_run.map(|id| id.to_string()),
            last_synced_at: flow.last_synced_at.map(|at| at.to_string()),
            next_due_at: flow.next_due_at.map(|at| at.to_string()),
            created_by: flow.created_by.map(|id| id.to_string()),
            created_at: flow.created_at.to_string(),
            updated_at: flow.updated_at.to_string(),
            version: flow.version,
        }
    }
}

/// A data flow as an answer, with its `ETag`.
fn answer(flow: DataFlow) -> Response {
    let tag = [(header::ETAG, etag::of(flow.version))];
    (tag, Json(FlowView::of(flow))).into_response()
}

fn id(text: &str) -> Result<FlowId> {
    FlowId::parse(text).ok_or_else(|| Error::not_found("data flow"))
}

/// The data flow that a path names.
async fn named(app: &App, ctx: &TenantCtx, text: &str) -> Result<DataFlow> {
    flows::get(&app.engine_parts, ctx, &id(text)?).await
}

/// The collection that a body names.
fn destination(text: &str) -> Result<CollectionName> {
    text.parse().map_err(|mut error: Error| {
        error.fields.iter_mut().for_each(|field| field.field = "destination".into());
        error
    })
}

/// The integration that a body or a query names.
fn integration(text: &str) -> Result<IntegrationId> {
    IntegrationId::parse(text).ok_or_else(|| Error::not_found("integration"))
}
