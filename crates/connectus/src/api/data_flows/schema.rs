//! `GET /api/v1/data-flows/{id}/schema`.

use axum::{
    Json,
    extract::{Path, State},
};
use connectus_engine::flows::{self, SourceField};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// What the source of a flow looks like, learnt from what was read of it.
#[derive(Serialize, ToSchema)]
pub struct SourceSchemaView {
    /// Whether a read has come to its end: only then are further fields new.
    learned: bool,
    /// The fields, in the order in which they were first seen.
    fields: Vec<SourceFieldView>,
}

/// A field of the source.
#[derive(Serialize, ToSchema)]
pub struct SourceFieldView {
    /// As a mapping names it.
    #[schema(example = "email")]
    name: String,
    /// What it was seen to hold: `boolean`, `number`, `text`, `list`, `object`; nothing where it
    /// was only ever null.
    types: Vec<&'static str>,
    /// Whether every record had it.
    in_every_record: bool,
    /// Whether the flow maps it.
    mapped: bool,
}

impl SourceFieldView {
    fn of(field: SourceField) -> Self {
        let SourceField { field, mapped } = field;
        let (name, types) = (field.name, field.types);
        Self { name, types, in_every_record: field.in_every_record, mapped }
    }
}

/// Get the fields of a data flow's source, as they were read so far.
#[utoipa::path(get, path = "/api/v1/data-flows/{id}/schema", tag = "data flows",
    params(("id" = String, Path)), responses((status = 200, body = SourceSchemaView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<Json<SourceSchemaView>> {
    let flow = super::named(&app, &caller.ctx, &id).await?;
    let schema = flows::source_schema(&app.engine_parts, &caller.ctx, &flow).await?;
    let fields = schema.fields.into_iter().map(SourceFieldView::of).collect();
    Ok(Json(SourceSchemaView { learned: schema.learned, fields }))
}
