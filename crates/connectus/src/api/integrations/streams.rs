//! `GET /api/v1/integrations/{id}/streams`.

use axum::{
    Json,
    extract::{Path, State},
};
use connectus_connect::StreamInfo;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// What can be read through an integration.
#[derive(Serialize, ToSchema)]
pub struct Streams {
    /// The streams.
    items: Vec<StreamView>,
    /// How many there are.
    total_count: usize,
}

/// A stream and its fields.
#[derive(Serialize, ToSchema)]
pub struct StreamView {
    /// The stream; data flows name it.
    #[schema(example = "contacts")]
    name: String,
    /// What identifies a record.
    primary_key: Vec<String>,
    /// Whether changes alone can be asked for.
    delta: bool,
    /// The JSON Schema of a record, as far as it is known.
    #[schema(value_type = Object)]
    schema: Value,
}

impl From<StreamInfo> for StreamView {
    fn from(stream: StreamInfo) -> Self {
        let StreamInfo { name, primary_key, delta, schema } = stream;
        Self { name, primary_key, delta, schema }
    }
}

/// List the streams of an integration. The provider may be asked for them.
#[utoipa::path(get, path = "/api/v1/integrations/{id}/streams", tag = "integrations",
    params(("id" = String, Path)), responses((status = 200, body = Streams)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<Json<Streams>> {
    let id = super::id(&id)?;
    let found = super::connections(&app).discover(&caller.ctx, &id).await?;
    let items: Vec<_> = found.into_iter().map(StreamView::from).collect();
    Ok(Json(Streams { total_count: items.len(), items }))
}
