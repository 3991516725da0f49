//! What starts workflows: the clock, events, ends of other workflows, records.

mod clock;
mod conditions;
mod events;

use connectus_core::{Page, run::Run};
use connectus_engine::workflows::{self, Draft};
use connectus_store::{runs::RunFilter, workflows::WorkflowRow};
use serde_json::{Value, json};

use crate::support::Rig;

/// Makes a workflow with a trigger.
async fn workflow(rig: &Rig, name: &str, trigger: Value, steps: Value) -> WorkflowRow {
    let definition = json!({ "version": 1, "name": name, "trigger": trigger, "steps": steps });
    let draft = Draft { definition: Some(definition), ..Draft::default() };
    workflows::create(&rig.parts, &rig.ctx, draft).await.unwrap()
}

/// A step that does nothing.
fn nothing() -> Value {
    json!([{ "id": "note", "type": "set", "vars": { "seen": true } }])
}

/// The runs of a workflow, oldest first.
async fn runs(rig: &Rig, of: &WorkflowRow) -> Vec<Run> {
    let filter = RunFilter { subject_id: Some(of.id.to_string()), ..RunFilter::default() };
    let page = Page { limit: Page::MAX_LIMIT, offset: 0 };
    let mut conn = rig.parts.store.read().await.unwrap();
    let mut runs = conn.runs(&rig.ctx, &filter, page).await.unwrap().items;
    runs.reverse();
    runs
}

/// Sets a workflow's status, as its owner does.
async fn set_status(rig: &Rig, of: &WorkflowRow, status: &str) -> WorkflowRow {
    let before = workflows::find(&rig.parts, &rig.ctx, &of.id).await.unwrap();
    let definition = workflows::definition(&rig.parts, &rig.ctx, &before).await.unwrap();
    let status = Some(status.parse().unwrap());
    let draft = Draft { definition: Some(definition), status, ..Draft::default() };
    workflows::update(&rig.parts, &rig.ctx, &before, draft).await.unwrap()
}
