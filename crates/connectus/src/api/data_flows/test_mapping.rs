//! `POST /api/v1/data-flows/{id}/test_mapping`.

use axum::{
    Json,
    extract::{Path, State},
};
use connectus_core::flow::mapping::FieldResult;
use connectus_engine::flows::{self, MappingTrial, Sample};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{ApiResult, Caller, OptionalBody},
};

/// What to try. Everything is optional: without `sample` a live record is read, without a mapping
/// the flow's own is tried.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({
    "sample": { "id": "1", "properties": { "email": " Ada@Example.com ", "firstname": "Ada" } }
}))]
pub struct TrialRequest {
    /// A record as the provider writes it.
    #[schema(value_type = Option<Object>)]
    sample: Option<Map<String, Value>>,
    /// Fields to read instead of the flow's.
    source_fields: Option<Vec<String>>,
    /// Fields to write instead of the flow's.
    target_fields: Option<Vec<String>>,
    /// Rules instead of the flow's.
    #[schema(value_type = Option<Object>)]
    transformation_rules: Option<Map<String, Value>>,
}

/// What the mapping makes of the record.
#[derive(Serialize, ToSchema)]
pub struct TrialView {
    /// `given` or `live`.
    #[schema(value_type = String)]
    sample: Sample,
    /// The record.
    #[schema(value_type = Object)]
    record: Value,
    /// Whether the row would be taken.
    accepted: bool,
    /// The row that would be written; null when it would be refused.
    #[schema(value_type = Option<Object>)]
    row: Option<Map<String, Value>>,
    /// What happened to each field.
    fields: Vec<FieldView>,
}

/// What happened to one field.
#[derive(Serialize, ToSchema)]
pub struct FieldView {
    /// The field read.
    source: String,
    /// The field written.
    target: String,
    /// Whether it was mapped.
    ok: bool,
    /// What the record holds.
    #[schema(value_type = Option<Object>)]
    input: Option<Value>,
    /// What the row gets.
    #[schema(value_type = Option<Object>)]
    output: Option<Value>,
    /// Why it failed.
    error: Option<String>,
    /// The value after each step, up to the one that failed.
    steps: Vec<StepView>,
}

/// The value after one step of a rule.
#[derive(Serialize, ToSchema)]
pub struct StepView {
    /// The rule's member, such as `trim`.
    step: &'static str,
    /// The value; null when the step failed.
    #[schema(value_type = Option<Object>)]
    output: Option<Value>,
}

impl TrialView {
    fn of(trial: MappingTrial) -> Self {
        let field = |field: FieldResult| FieldView {
            source: field.source,
            target: field.target,
            ok: field.error.is_none(),
            input: field.input,
            output: field.output,
            error: field.error,
            steps: field
                .steps
                .into_iter()
                .map(|step| StepView { step: step.step, output: step.output })
                .collect(),
        };
        Self {
            sample: trial.sample,
            record: trial.record,
            accepted: trial.accepted,
            row: trial.row,
            fields: trial.fields.into_iter().map(field).collect(),
        }
    }
}

/// Try the mapping of a data flow on one record, field by field. Nothing is written.
#[utoipa::path(post, path = "/api/v1/data-flows/{id}/test_mapping", tag = "data flows",
    params(("id" = String, Path)), request_body = TrialRequest,
    responses((status = 200, body = TrialView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    OptionalBody(request): OptionalBody<TrialRequest>,
) -> ApiResult<Json<TrialView>> {
    let mut flow = super::named(&app, &caller.ctx, &id).await?;
    if let Some(fields) = request.source_fields {
        flow.source_fields = fields;
    }
    if let Some(fields) = request.target_fields {
        flow.target_fields = fields;
    }
    if let Some(rules) = request.transformation_rules {
        flow.transformation_rules = rules;
    }
    let sample = request.sample.map(Value::Object);
    let trial = flows::test_mapping(&app.engine_parts, &caller.ctx, &flow, sample).await?;
    Ok(Json(TrialView::of(trial)))
}
