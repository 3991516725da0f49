//! `POST /api/v1/providers`.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use connectus_core::{Error, Result};
use connectus_engine::providers::{self, Brought, Format, NewProvider};
use connectus_store::provider_versions::Bringer;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::view::ProviderVersionView;
use crate::{
    app::App,
    http::{ApiResult, Body, Caller},
};

/// A provider to add: a declarative manifest of Airbyte, a provider pack, or an OpenAPI document
/// whose operations become actions.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "name": "acme_crm",
    "source": "type: DeclarativeSource\nversion: 6.0.0\n...",
    "files": { "schemas/users.json": "{...}", "metadata.yaml": "data: {license: MIT}" }
}))]
pub struct CreateProvider {
    /// The stable name; a pack says its own. Lower-case letters, digits and underscores.
    name: Option<String>,
    /// `manifest`, `pack` or `openapi`; found out when left out.
    #[schema(example = "manifest")]
    format: Option<String>,
    /// The text of the manifest, pack or document, YAML or JSON.
    source: String,
    /// Texts that lie beside a manifest, by path: schemas, `metadata.yaml`.
    #[serde(default)]
    files: BTreeMap<String, String>,
    /// The name people use.
    display_name: Option<String>,
    /// What kind of service it is.
    category: Option<String>,
    /// Its licence. Without it `metadata.yaml` says.
    licence: Option<String>,
}

impl CreateProvider {
    pub(super) fn read(self) -> Result<NewProvider> {
        Ok(NewProvider {
            name: self.name,
            format: self.format.as_deref().map(Format::read).transpose()?,
            text: self.source,
            files: self.files,
            display_name: self.display_name,
            category: self.category.as_deref().map(str::parse).transpose()?,
            licence: self.licence,
        })
    }
}

/// What became of a provider that was brought.
#[derive(Serialize, ToSchema)]
pub struct BroughtView {
    /// The newest version now.
    #[serde(flatten)]
    version: ProviderVersionView,
    /// Whether it was made now: the same content makes no new version.
    added: bool,
    /// Streams that ran in the version before and do not in this one.
    lost_streams: Vec<String>,
}

impl BroughtView {
    pub(super) fn answer(brought: Brought) -> Result<Response> {
        let Brought { version, added, lost } = brought;
        let location = format!("/api/v1/providers/{}", version.name);
        let location = HeaderValue::from_str(&location).map_err(Error::internal)?;
        let status = if added { StatusCode::CREATED } else { StatusCode::OK };
        let view = Self { version: version.into(), added, lost_streams: lost };
        Ok((status, [(header::LOCATION, location)], Json(view)).into_response())
    }
}

/// Add a provider for this tenant. Nobody else sees it.
///
/// The answer says which of its streams run here and what the others need, and which operations
/// are no actions and why.
#[utoipa::path(post, path = "/api/v1/providers", tag = "providers",
    request_body = CreateProvider, responses((status = 201, body = BroughtView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Body(body): Body<CreateProvider>,
) -> ApiResult<Response> {
    let bringer = Bringer::Tenant(caller.ctx.clone());
    let brought = providers::bring(app.store(), &bringer, body.read()?, Some(false)).await?;
    Ok(BroughtView::answer(brought)?)
}
