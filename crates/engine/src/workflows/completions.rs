//! What an editor can offer inside the expressions of a workflow.

use std::collections::{BTreeMap, btree_map::Entry};

use connectus_core::{
    Page, Result, TenantCtx,
    workflow::{
        Definition,
        completion::{self, Known, Name},
    },
};
use connectus_store::{runs::RunFilter, workflows::WorkflowRow};

use crate::{actions, parts::Parts};

/// Runs looked at to learn what steps give.
const LOOKED_AT: u32 = 3;

/// The names that an expression of a step can use: what the definition and the actions declare, and
/// what the latest runs of the workflow had there.
///
/// # Errors
/// `invalid` when there is no such step.
pub async fn names(
    parts: &Parts,
    ctx: &TenantCtx,
    workflow: Option<&WorkflowRow>,
    definition: &Definition,
    step: Option<&str>,
) -> Result<Vec<Name>> {
    let brought = actions::brought_names(parts, ctx).await?;
    let mut known = Known { actions: actions::outputs(&brought), ..Known::default() };
    if let Some(workflow) = workflow {
        learn(parts, ctx, workflow, &mut known).await?;
    }
    completion::names(definition, step, &known)
}

/// What the latest runs had. The newest that says something of a step is believed.
async fn learn(
    parts: &Parts,
    ctx: &TenantCtx,
    workflow: &WorkflowRow,
    known: &mut Known,
) -> Result<()> {
    let filter = RunFilter { subject_id: Some(workflow.id.to_string()), ..RunFilter::default() };
    let page = Page { limit: LOOKED_AT, offset: 0 };
    let mut conn = parts.store.read().await?;
    let latest = conn.runs(ctx, &filter, page).await?.items;
    let mut outputs = BTreeMap::new();
    for run in latest {
        for step in conn.steps(ctx, &run.id).await? {
            let id = step.step_id.rsplit('.').next().unwrap_or_default().to_owned();
            if let Some(output) = step.output.filter(|_| !step.compensation)
                && let Entry::Vacant(place) = outputs.entry(id)
            {
                place.insert(parts.store.blobs().value(ctx.tenant(), output).await?);
            }
        }
        if known.input.is_none() {
            known.input = Some(parts.store.blobs().value(ctx.tenant(), run.input).await?);
        }
    }
    known.outputs = outputs;
    Ok(())
}
