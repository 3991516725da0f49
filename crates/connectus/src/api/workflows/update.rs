//! `PATCH /api/v1/workflows/{id}`.

use axum::{
    extract::{Path, State},
    http::HeaderMap,
    response::Response,
};
use connectus_core::Result;
use connectus_engine::workflows::{self, Draft};
use connectus_store::workflows::WorkflowRow;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{WorkflowView, create};
use crate::{
    app::App,
    http::{ApiResult, Body, Caller, etag},
};

/// What to change; the rest stays.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkflowChange {
    /// The integration whose events trigger it.
    integration: Option<String>,
    /// Display name.
    name: Option<String>,
    /// `manual`, `webhook`, `schedule`, `condition`, `event` or `workflow`.
    trigger_type: Option<String>,
    /// Particulars of the trigger.
    #[schema(value_type = Option<Object>)]
    trigger_config: Option<Value>,
    /// What it does, in order, in the short form.
    #[schema(value_type = Option<Vec<Object>>)]
    actions: Option<Value>,
    /// When the trigger counts.
    #[schema(value_type = Option<Object>)]
    conditions: Option<Value>,
    /// The whole graph instead of the short form.
    #[schema(value_type = Option<Object>)]
    definition: Option<Value>,
    /// `draft`, `active`, `paused` or `error`.
    status: Option<String>,
}

impl WorkflowChange {
    /// A change of what the workflow does only.
    pub(super) fn of(
        definition: Option<Value>,
        actions: Option<Value>,
        conditions: Option<Value>,
    ) -> Self {
        Self { definition, actions, conditions, ..Self::default() }
    }

    /// The workflow with the changes applied. One written as a definition stays one until its
    /// `actions` are given.
    pub(super) fn draft(self, before: &WorkflowRow, definition: Value) -> Result<Draft> {
        let short = before.actions.as_array().is_some_and(|actions| !actions.is_empty());
        let definition = match (self.definition, &self.actions) {
            (Some(given), _) => Some(given),
            (None, Some(_)) => None,
            (None, None) if short => None,
            (None, None) => Some(renamed(definition, self.name.as_deref())),
        };
        Ok(Draft {
            integration: match self.integration {
                Some(id) => create::integration(Some(&id))?,
                None => before.integration_id.clone(),
            },
            name: self.name.unwrap_or_else(|| before.name.clone()),
            trigger_type: self.trigger_type.unwrap_or_else(|| before.trigger_type.clone()),
            trigger_config: self.trigger_config.unwrap_or_else(|| before.trigger_config.clone()),
            actions: self.actions.unwrap_or_else(|| before.actions.clone()),
            conditions: self.conditions.unwrap_or_else(|| before.conditions.clone()),
            status: super::status(self.status.as_deref())?,
            definition,
        })
    }
}

fn renamed(mut definition: Value, name: Option<&str>) -> Value {
    if let (Some(name), Some(members)) = (name, definition.as_object_mut()) {
        members.insert("name".to_owned(), name.into());
    }
    definition
}

/// Change a workflow.
///
/// Runs under way keep the definition they started with.
#[utoipa::path(patch, path = "/api/v1/workflows/{id}", tag = "workflows",
    params(("id" = String, Path)), request_body = WorkflowChange,
    responses((status = 200, body = WorkflowView)))]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    Body(change): Body<WorkflowChange>,
) -> ApiResult<Response> {
    let parts = &app.engine_parts;
    let before = super::named(&app, &caller.ctx, &id).await?;
    etag::check(&headers, before.version)?;
    let definition = workflows::definition(parts, &caller.ctx, &before).await?;
    let draft = change.draft(&before, definition)?;
    let row = workflows::update(parts, &caller.ctx, &before, draft).await?;
    Ok(super::answer(&app, &caller.ctx, row).await?)
}
