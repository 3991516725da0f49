//! Workflows to begin with.

pub mod get;
pub mod list;

use connectus_core::access::Permission::WorkflowsRead;
use connectus_engine::workflows::templates::Template;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::http::{Access::Needs, Operation, operation::operations};

pub(super) fn operations() -> Vec<Operation> {
    operations! {
        "workflow_templates.list" = list, Needs(WorkflowsRead);
        "workflow_templates.get" = get, Needs(WorkflowsRead);
    }
}

/// A workflow to begin with.
#[derive(Serialize, ToSchema)]
pub struct TemplateView {
    /// Its name, as `POST /api/v1/workflows` takes it.
    #[schema(example = "new-lead-alert")]
    id: &'static str,
    /// What it is.
    title: &'static str,
    /// What it is good for.
    summary: &'static str,
    /// Providers of which an integration must be connected.
    needs: &'static [String],
    /// What starts it.
    #[schema(value_type = Object)]
    trigger: Value,
    /// An input with which it can be tried.
    #[schema(value_type = Object)]
    sample: &'static Value,
    /// The workflow.
    #[schema(value_type = Object)]
    #[serde(skip_serializing_if = "Option::is_none")]
    definition: Option<&'static Value>,
}

impl TemplateView {
    fn of(template: &'static Template, whole: bool) -> Self {
        Self {
            id: template.id,
            title: &template.title,
            summary: &template.summary,
            needs: &template.needs,
            trigger: template.definition.get("trigger").cloned().unwrap_or_default(),
            sample: &template.sample,
            definition: whole.then_some(&template.definition),
        }
    }
}
