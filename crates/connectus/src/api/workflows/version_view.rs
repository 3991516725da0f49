//! A version of a workflow as the API shows it.

use connectus_store::workflow_versions::WorkflowVersion;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A version of a workflow. It never changes.
#[derive(Serialize, ToSchema)]
pub struct VersionView {
    /// Its number, from 1.
    number: u64,
    /// Whether new runs pin it.
    live: bool,
    /// What its author says about it.
    note: String,
    /// Its content hash.
    definition_hash: String,
    /// The integration whose events trigger it.
    integration: Option<String>,
    /// The graph that it means.
    #[schema(value_type = Object)]
    #[serde(skip_serializing_if = "Option::is_none")]
    definition: Option<Value>,
    /// The actions in the short form; empty when it was written as a definition.
    #[schema(value_type = Vec<Object>)]
    actions: Value,
    /// When the trigger counts, in the short form.
    #[schema(value_type = Object)]
    conditions: Value,
    /// Who made it.
    created_by: Option<String>,
    /// When it was made.
    created_at: String,
    /// When it last went live.
    published_at: Option<String>,
}

impl VersionView {
    pub(super) fn of(version: WorkflowVersion, definition: Option<Value>) -> Self {
        Self {
            number: version.number,
            live: version.live,
            note: version.note,
            definition_hash: version.definition_hash,
            integration: version.integration_id.map(|id| id.to_string()),
            definition,
            actions: version.actions,
            conditions: version.conditions,
            created_by: version.created_by.map(|id| id.to_string()),
            created_at: version.created_at.to_string(),
            published_at: version.published_at.map(|at| at.to_string()),
        }
    }
}
