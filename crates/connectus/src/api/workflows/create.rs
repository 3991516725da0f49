//! `POST /api/v1/workflows`.

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use connectus_core::{Error, IntegrationId, Result};
use connectus_engine::workflows::{self, Draft, templates};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::WorkflowView;
use crate::{
    app::App,
    http::{ApiResult, Body, Caller},
};

/// A new workflow: the short form (`trigger_type`, `trigger_config`, `actions`, `conditions`) or a
/// whole `definition`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "name": "New Lead Alert",
    "trigger_type": "webhook",
    "trigger_config": { "event": "contact.creation" },
    "actions": [
        { "type": "create_contact", "target": "digisol_crm" },
        { "type": "send_notification", "channel": "slack" }
    ]
}))]
pub struct NewWorkflow {
    /// The integration whose events trigger it; without one, events of any integration do.
    integration: Option<String>,
    /// Display name; with a `definition`, its own name counts.
    #[serde(default)]
    name: String,
    /// `manual`, `webhook`, `schedule`, `condition`, `event` or `workflow`.
    #[serde(default = "manual")]
    trigger_type: String,
    /// Particulars of the trigger.
    #[serde(default)]
    #[schema(value_type = Object)]
    trigger_config: Value,
    /// What it does, in order.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    actions: Value,
    /// When the trigger counts.
    #[serde(default)]
    #[schema(value_type = Object)]
    conditions: Value,
    /// The whole graph instead of the short form.
    #[schema(value_type = Option<Object>)]
    definition: Option<Value>,
    /// A template to begin with; `name` renames it.
    template: Option<String>,
    /// `draft`, `active` (the default) or `paused`.
    status: Option<String>,
}

fn manual() -> String {
    "manual".to_owned()
}

impl NewWorkflow {
    fn draft(self) -> Result<Draft> {
        let definition = match (&self.template, self.definition) {
            (None, definition) => definition,
            (Some(_), Some(_)) => {
                return Err(Error::invalid("/template", "cannot stand beside a `definition`"));
            }
            (Some(name), None) => {
                let mut definition = templates::find(name)?.definition.clone();
                if !self.name.is_empty() {
                    definition["name"] = self.name.as_str().into();
                }
                Some(definition)
            }
        };
        Ok(Draft {
            integration: integration(self.integration.as_deref())?,
            status: super::status(self.status.as_deref())?,
            name: self.name,
            trigger_type: self.trigger_type,
            trigger_config: self.trigger_config,
            actions: self.actions,
            conditions: self.conditions,
            definition,
        })
    }
}

/// The integration that a body names.
pub(super) fn integration(id: Option<&str>) -> Result<Option<IntegrationId>> {
    let parse = |id| IntegrationId::parse(id).ok_or_else(|| Error::not_found("integration"));
    id.map(parse).transpose()
}

/// Create a workflow.
#[utoipa::path(post, path = "/api/v1/workflows", tag = "workflows",
    request_body = NewWorkflow, responses((status = 201, body = WorkflowView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Body(new): Body<NewWorkflow>,
) -> ApiResult<Response> {
    let row = workflows::create(&app.engine_parts, &caller.ctx, new.draft()?).await?;
    let location = format!("/api/v1/workflows/{}", row.id);
    let mut response = super::answer(&app, &caller.ctx, row).await?;
    *response.status_mut() = StatusCode::CREATED;
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}
