//! Versions of workflows: saved as drafts, published, compared. Publishing is the only way in which
//! one goes live; runs under way keep the definition they began with.

use connectus_core::{
    Code, Error, Result, TenantCtx,
    workflow::{Change, Definition, diff},
};
use connectus_store::{
    Tx,
    workflow_versions::{MAX_VERSIONS, WorkflowVersion},
    workflows::WorkflowRow,
};
use serde_json::{Value, json};

use super::{Draft, WorkflowStatus, keep_definition, or_empty, save_changed};
use crate::parts::Parts;

/// Longest note on a version, in characters.
const MAX_NOTE_CHARS: usize = 500;

/// Saves a version without publishing it. What is already the newest version is not saved again.
///
/// # Errors
/// `invalid` with every fault.
pub async fn save(
    parts: &Parts,
    ctx: &TenantCtx,
    workflow: &WorkflowRow,
    draft: Draft,
    note: &str,
) -> Result<WorkflowVersion> {
    if note.chars().count() > MAX_NOTE_CHARS {
        let message = format!("must be at most {MAX_NOTE_CHARS} characters.");
        return Err(Error::invalid("note", message));
    }
    let checked = draft.check(parts, ctx).await?;
    let definition = checked.program.definition().clone();
    let zone = crate::triggers::time_zone(parts, ctx).await?;
    definition.trigger.watch(&zone, workflow.id.as_str())?;
    let mut row = draft.row(ctx, &checked, workflow.id.clone(), parts.env().now());
    row.created_by = ctx.actor().user().cloned();
    let (ctx, note) = (ctx.clone(), note.to_owned());
    parts
        .store
        .write(move |tx| {
            Box::pin(async move {
                keep_definition(tx, &ctx, &row.definition_hash, &definition).await?;
                let newest = tx.workflow_versions(&ctx, &row.id, 1).await?.into_iter().next();
                if let Some(newest) = newest.as_ref().filter(|newest| is_same(newest, &row)) {
                    return Ok(newest.clone());
                }
                let saved = add(tx, &ctx, &row, newest.map_or(0, |one| one.number), note).await?;
                let detail = json!({ "version": saved.number });
                tx.audit(&ctx, "workflow.version_saved", row.id.as_str(), detail).await?;
                Ok(saved)
            })
        })
        .await
}

fn is_same(version: &WorkflowVersion, row: &WorkflowRow) -> bool {
    version.definition_hash == row.definition_hash
        && version.integration_id == row.integration_id
        && version.actions == row.actions
        && version.conditions == row.conditions
}

async fn add(
    tx: &mut Tx,
    ctx: &TenantCtx,
    row: &WorkflowRow,
    newest: u64,
    note: String,
) -> Result<WorkflowVersion> {
    let version = WorkflowVersion {
        number: newest + 1,
        definition_hash: row.definition_hash.clone(),
        integration_id: row.integration_id.clone(),
        actions: row.actions.clone(),
        conditions: row.conditions.clone(),
        note,
        live: false,
        created_by: ctx.actor().user().cloned(),
        created_at: tx.env().now(),
        published_at: None,
    };
    tx.insert_workflow_version(ctx, &row.id, &version).await?;
    Ok(version)
}

/// Notes what a workflow says now as its live version, a new one where it says something new.
pub(super) async fn keep(
    tx: &mut Tx,
    ctx: &TenantCtx,
    row: &WorkflowRow,
    published: Option<u64>,
) -> Result<()> {
    let newest = tx.workflow_versions(ctx, &row.id, MAX_VERSIONS).await?;
    let live = newest.iter().find(|version| version.live);
    let number = match published {
        Some(number) => number,
        None if live.is_some_and(|live| is_same(live, row)) => return Ok(()),
        None => {
            let last = newest.first().map_or(0, |version| version.number);
            add(tx, ctx, row, last, String::new()).await?.number
        }
    };
    Ok(tx.set_live_version(ctx, &row.id, number).await?)
}

/// Makes a version the live one: runs from now on pin its definition.
///
/// # Errors
/// `not_found` for a version there is not; `invalid` when it can no longer run, because an action
/// is gone, for one; `precondition_failed` when the workflow changed meanwhile.
pub async fn publish(
    parts: &Parts,
    ctx: &TenantCtx,
    workflow: &WorkflowRow,
    number: u64,
) -> Result<WorkflowRow> {
    let version = get(parts, ctx, workflow, number).await?;
    let draft = Draft {
        integration: version.integration_id.clone(),
        definition: Some(definition_of(parts, ctx, &version).await?),
        actions: version.actions,
        conditions: version.conditions,
        // One that was given up because of what it said gets another chance.
        status: (workflow.status == WorkflowStatus::Error).then_some(WorkflowStatus::Active),
        ..Draft::default()
    };
    save_changed(parts, ctx, workflow, draft, Some(number)).await
}

/// The versions of a workflow, newest first.
///
/// # Errors
/// What the database says.
pub async fn list(
    parts: &Parts,
    ctx: &TenantCtx,
    workflow: &WorkflowRow,
) -> Result<Vec<WorkflowVersion>> {
    let mut conn = parts.store.read().await?;
    Ok(conn.workflow_versions(ctx, &workflow.id, MAX_VERSIONS + 1).await?)
}

/// One version.
///
/// # Errors
/// `not_found`.
pub async fn get(
    parts: &Parts,
    ctx: &TenantCtx,
    workflow: &WorkflowRow,
    number: u64,
) -> Result<WorkflowVersion> {
    let found = parts.store.read().await?.workflow_version(ctx, &workflow.id, number).await?;
    found.ok_or_else(|| Error::not_found(&format!("version {number} of this workflow")))
}

/// The definition of a version.
///
/// # Errors
/// What the database says.
pub async fn definition_of(
    parts: &Parts,
    ctx: &TenantCtx,
    version: &WorkflowVersion,
) -> Result<Value> {
    let text = parts.store.read().await?.definition(ctx, &version.definition_hash).await?;
    serde_json::from_str(&text).map_err(Error::internal)
}

/// What the versions of a comparison are, and what they say differently.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The version on one side.
    pub from: u64,
    /// The version on the other.
    pub to: u64,
    /// What `to` says differently.
    pub changes: Vec<Change>,
}

/// Compares two versions: the live one with the newest, where none are named.
///
/// # Errors
/// `not_found` for a version there is not.
pub async fn compare(
    parts: &Parts,
    ctx: &TenantCtx,
    workflow: &WorkflowRow,
    from: Option<u64>,
    to: Option<u64>,
) -> Result<Comparison> {
    let all = list(parts, ctx, workflow).await?;
    let live = all.iter().find(|version| version.live).map(|version| version.number);
    let newest = all.first().map(|version| version.number);
    let none = || Error::new(Code::NotFound, "This workflow has no versions.");
    let from = from.or(live).ok_or_else(none)?;
    let to = to.or(newest).ok_or_else(none)?;
    let (before, after) =
        (read(parts, ctx, workflow, from).await?, read(parts, ctx, workflow, to).await?);
    Ok(Comparison { from, to, changes: diff(&before, &after) })
}

async fn read(
    parts: &Parts,
    ctx: &TenantCtx,
    workflow: &WorkflowRow,
    number: u64,
) -> Result<Definition> {
    let version = get(parts, ctx, workflow, number).await?;
    Definition::read(&definition_of(parts, ctx, &version).await?).map_err(Error::internal)
}

/// A draft of what a file holds: a definition, or the short form.
///
/// # Errors
/// `invalid` when it is neither.
pub fn draft_of_file(file: Value) -> Result<Draft> {
    let short = file.get("actions").is_some() || file.get("trigger_type").is_some();
    if !short {
        return Ok(Draft { definition: Some(file), ..Draft::default() });
    }
    let text = |name: &str| file.get(name).and_then(Value::as_str).map(str::to_owned);
    let known = ["name", "trigger_type", "trigger_config", "actions", "conditions"];
    let unknown =
        file.as_object().and_then(|all| all.keys().find(|name| !known.contains(&name.as_str())));
    if let Some(unknown) = unknown {
        let message = format!("is not one of {}", known.join(", "));
        return Err(Error::invalid(format!("/{unknown}"), message));
    }
    let member = |name: &str| file.get(name).cloned().unwrap_or_default();
    Ok(Draft {
        name: text("name").unwrap_or_default(),
        trigger_type: text("trigger_type").unwrap_or_else(|| "manual".to_owned()),
        trigger_config: member("trigger_config"),
        actions: or_empty(&member("actions"), json!([])),
        conditions: member("conditions"),
        ..Draft::default()
    })
}
