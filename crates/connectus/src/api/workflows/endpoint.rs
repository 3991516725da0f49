//! What the operations on a workflow's own address share.

use connectus_store::workflow_endpoints::WorkflowEndpoint;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;

/// An address at which calls start a workflow.
#[derive(Serialize, ToSchema)]
pub struct EndpointView {
    /// Identifier.
    #[schema(example = "hook_01k6t2c8x9v3f5g7h2j4m6n8p0")]
    id: String,
    /// Where to post to.
    url: String,
    /// Until when the secret before the present one counts.
    previous_secret_until: Option<String>,
    /// When it was made.
    created_at: String,
    /// When its secret last changed.
    updated_at: String,
}

/// An address with the secret it was just given.
#[derive(Serialize, ToSchema)]
pub struct EndpointWithSecret {
    /// Signs calls. It is shown this once; keep it where secrets are kept.
    #[schema(example = "whsec_...")]
    pub(super) secret: String,
    /// What the address is.
    #[serde(flatten)]
    pub(super) endpoint: EndpointView,
}

impl EndpointView {
    pub(super) fn of(app: &App, tenant: &str, endpoint: &WorkflowEndpoint) -> Self {
        Self {
            id: endpoint.id.to_string(),
            url: format!("{}/hooks/{tenant}/{}", app.public_url, endpoint.id),
            previous_secret_until: endpoint.previous.as_ref().map(|(_, until)| until.to_string()),
            created_at: endpoint.created_at.to_string(),
            updated_at: endpoint.updated_at.to_string(),
        }
    }
}
