//! `GET /api/v1/workflows/{id}/export`.

use axum::{
    extract::{Path, Query, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use connectus_connect::yaml;
use connectus_core::Error;
use connectus_engine::workflows::{self, versions};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::App,
    http::{ApiResult, Caller},
};

/// What to write, and how.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// `yaml` (the default) or `json`.
    #[serde(default)]
    #[param(inline)]
    format: Format,
    /// The version; by default the live one.
    version: Option<u64>,
}

/// How a file is written.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// YAML.
    #[default]
    Yaml,
    /// JSON.
    Json,
}

/// Export a workflow as a file, which `POST /api/v1/workflows/import` reads.
#[utoipa::path(get, path = "/api/v1/workflows/{id}/export", tag = "workflows",
    params(("id" = String, Path), Wanted),
    responses((status = 200, content(
        (String = "application/yaml"), (String = "application/json")))))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    Query(wanted): Query<Wanted>,
) -> ApiResult<Response> {
    let (parts, ctx) = (&app.engine_parts, &caller.ctx);
    let row = super::named(&app, ctx, &id).await?;
    let definition = match wanted.version {
        None => workflows::definition(parts, ctx, &row).await?,
        Some(number) => {
            let version = versions::get(parts, ctx, &row, number).await?;
            versions::definition_of(parts, ctx, &version).await?
        }
    };
    let (text, kind, extension) = match wanted.format {
        Format::Yaml => (yaml::write(&definition)?, "application/yaml", "yaml"),
        Format::Json => {
            let text = serde_json::to_string_pretty(&definition).map_err(Error::internal)?;
            (text + "\n", "application/json", "json")
        }
    };
    let file = format!("attachment; filename=\"{}.{extension}\"", row.id);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_DISPOSITION, HeaderValue::from_str(&file).map_err(Error::internal)?),
    ];
    Ok((headers, text).into_response())
}
