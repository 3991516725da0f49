//! Workflows: what the API does with them.

pub mod completions;
pub mod saved_tests;
pub mod templates;
pub mod trials;
pub mod versions;

use std::sync::Arc;

use connectus_core::{
    Code, Error, IntegrationId, Result, TenantCtx, Timestamp, WorkflowId,
    error::FieldError,
    event::EventType,
    run::{Run, RunKind, WorkflowStatus},
    workflow::{
        Definition, INTERP_VERSION, Program, Trigger, TriggerType, legacy::LegacyWorkflow,
        no_such_action, trigger::dedupe_key, typed::accept,
    },
};
use connectus_store::{Tx, runs::NewRun, workflows::WorkflowRow};
use serde_json::{Map, Value, json};

use crate::{
    actions,
    driver::{About, Arrival, Arrived},
    parts::Parts,
    triggers,
};

/// What a workflow is made from. Either the short form (`actions` and `conditions`) or a whole
/// `definition`.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// Display name.
    pub name: String,
    /// The integration whose events trigger it.
    pub integration: Option<IntegrationId>,
    /// `manual`, `webhook`, `schedule`, `condition`, `event` or `workflow`.
    pub trigger_type: String,
    /// Particulars of the trigger.
    pub trigger_config: Value,
    /// The actions, in the short form.
    pub actions: Value,
    /// When the trigger counts, in the short form.
    pub conditions: Value,
    /// The whole definition, instead of the short form.
    pub definition: Option<Value>,
    /// Where it stands at first.
    pub status: Option<WorkflowStatus>,
}

/// A draft that passed all checks.
struct Checked {
    program: Program,
    trigger: TriggerType,
}

impl Draft {
    fn short_form(&self) -> Result<LegacyWorkflow> {
        let object = |name: &str, value: &Value| match value {
            Value::Null => Ok(Map::new()),
            Value::Object(members) => Ok(members.clone()),
            _ => Err(Error::invalid(name, "must be an object")),
        };
        let Value::Array(actions) = &self.actions else {
            return Err(Error::invalid("/actions", "must be a list of actions"));
        };
        Ok(LegacyWorkflow {
            name: self.name.clone(),
            trigger_type: self.trigger_type.clone(),
            trigger_config: object("/trigger_config", &self.trigger_config)?,
            actions: actions
                .iter()
                .enumerate()
                .map(|(index, action)| object(&format!("/actions/{index}"), action))
                .collect::<Result<_>>()?,
            conditions: self.conditions.clone(),
        })
    }

    /// Checks it, with the actions that there are for its tenant.
    async fn check(&self, parts: &Parts, ctx: &TenantCtx) -> Result<Checked> {
        let mut names = actions::names();
        names.extend(actions::brought_names(parts, ctx).await?);
        let known: Vec<&str> = names.iter().map(String::as_str).collect();
        let definition = match &self.definition {
            Some(value) => Definition::read(value)?,
            None => self.short_form()?.to_definition(&known)?,
        };
        let program = Program::compile(definition)?;
        let unknown = program.actions().into_iter().filter(|name| !known.contains(name));
        let faults: Vec<FieldError> = unknown
            .map(|name| {
                let message = no_such_action(name, &known);
                FieldError { field: "/steps".to_owned(), message }
            })
            .collect();
        if !faults.is_empty() {
            return Err(Error::invalid_fields(faults).with("known_actions", known));
        }
        let trigger = program.definition().trigger.kind;
        Ok(Checked { program, trigger })
    }

    fn row(
        &self,
        ctx: &TenantCtx,
        checked: &Checked,
        id: WorkflowId,
        now: Timestamp,
    ) -> WorkflowRow {
        let definition = checked.program.definition();
        WorkflowRow {
            tenant: ctx.tenant().clone(),
            id,
            integration_id: self.integration.clone(),
            name: definition.name.clone(),
            trigger_type: checked.trigger.name().to_owned(),
            trigger_config: Value::Object(definition.trigger.config.clone()),
            actions: or_empty(&self.actions, json!([])),
            conditions: or_empty(&self.conditions, json!({})),
            status: self.status.unwrap_or(WorkflowStatus::Active),
            definition_hash: checked.program.hash().to_string(),
            execution_count: 0,
            success_count: 0,
            next_due_at: None,
            created_by: ctx.actor().user().cloned(),
            created_at: now,
            updated_at: now,
            version: 1,
            queue: definition.queue().to_owned(),
            priority: definition.priority,
            concurrency: definition.concurrency.clone(),
        }
    }
}

/// What was left out reads back as empty.
fn or_empty(value: &Value, empty: Value) -> Value {
    if value.is_null() { empty } else { value.clone() }
}

/// When a workflow is due next, in the tenant's time zone. A condition that has seen nothing yet is
/// due at once, so that what turns true from now on is noticed.
fn next_due(
    before: Option<&WorkflowRow>,
    row: &WorkflowRow,
    trigger: &Trigger,
    zone: &str,
    now: Timestamp,
) -> Result<Option<Timestamp>> {
    let Some(clockwork) = trigger.schedule(zone, row.id.as_str())? else { return Ok(None) };
    if row.status != WorkflowStatus::Active {
        return Ok(None);
    }
    if trigger.kind == TriggerType::Condition && triggers::begins_anew(before, row) {
        return Ok(Some(now));
    }
    Ok(clockwork.schedule.next_after(now))
}

/// Makes a workflow. Its definition is kept by content, so that runs can pin it.
///
/// # Errors
/// `invalid` with every fault, `not_found` for another tenant's integration.
pub async fn create(parts: &Parts, ctx: &TenantCtx, draft: Draft) -> Result<WorkflowRow> {
    let checked = draft.check(parts, ctx).await?;
    let mut row = draft.row(ctx, &checked, parts.env().id(), parts.env().now());
    let zone = triggers::time_zone(parts, ctx).await?;
    let definition = checked.program.definition().clone();
    definition.trigger.watch(&zone, row.id.as_str())?;
    row.next_due_at = next_due(None, &row, &definition.trigger, &zone, row.created_at)?;
    let ctx = ctx.clone();
    parts
        .store
        .write(move |tx| {
            Box::pin(async move {
                keep_definition(tx, &ctx, &row.definition_hash, &definition).await?;
                tx.insert_workflow(&row).await?;
                versions::keep(tx, &ctx, &row, None).await?;
                record(tx, &ctx, EventType::WorkflowCreated, "workflow.created", &row).await?;
                triggers::keep_watch(tx, &ctx, None, &row).await?;
                Ok(row)
            })
        })
        .await
}

/// Replaces a workflow by a changed draft. Runs under way keep the definition they started with.
///
/// # Errors
/// As [`create`], and `precondition_failed` when it changed since `before` was read.
pub async fn update(
    parts: &Parts,
    ctx: &TenantCtx,
    before: &WorkflowRow,
    draft: Draft,
) -> Result<WorkflowRow> {
    save_changed(parts, ctx, before, draft, None).await
}

/// Writes a changed workflow. It is a version that there is, or else a new one.
async fn save_changed(
    parts: &Parts,
    ctx: &TenantCtx,
    before: &WorkflowRow,
    draft: Draft,
    published: Option<u64>,
) -> Result<WorkflowRow> {
    let checked = draft.check(parts, ctx).await?;
    let now = parts.env().now();
    let mut row = draft.row(ctx, &checked, before.id.clone(), before.created_at);
    row.status = draft.status.unwrap_or(before.status);
    row.execution_count = before.execution_count;
    row.success_count = before.success_count;
    row.created_by.clone_from(&before.created_by);
    row.version = before.version;
    let zone = triggers::time_zone(parts, ctx).await?;
    let definition = checked.program.definition().clone();
    if row.status == WorkflowStatus::Active {
        definition.trigger.watch(&zone, row.id.as_str())?;
    }
    row.next_due_at = next_due(Some(before), &row, &definition.trigger, &zone, now)?;
    let (ctx, before) = (ctx.clone(), before.clone());
    parts
        .store
        .write(move |tx| {
            Box::pin(async move {
                keep_definition(tx, &ctx, &row.definition_hash, &definition).await?;
                if !tx.update_workflow(&row).await? {
                    return Err(moved_on());
                }
                versions::keep(tx, &ctx, &row, published).await?;
                row.version += 1;
                row.updated_at = tx.env().now();
                record(tx, &ctx, EventType::WorkflowUpdated, "workflow.updated", &row).await?;
                triggers::keep_watch(tx, &ctx, Some(&before), &row).await?;
                Ok(row)
            })
        })
        .await
}

fn moved_on() -> Error {
    Error::new(
        Code::PreconditionFailed,
        "Someone changed this workflow since you read it. Read it again and repeat your change.",
    )
}

/// Removes a workflow. Its runs stay.
///
/// # Errors
/// `not_found` for another tenant's workflow.
pub async fn delete(parts: &Parts, ctx: &TenantCtx, workflow: &WorkflowRow) -> Result<()> {
    let (ctx, row) = (ctx.clone(), workflow.clone());
    parts
        .store
        .write(move |tx| {
            Box::pin(async move {
                if !tx.delete_workflow(&ctx, &row.id).await? {
                    return Err(Error::not_found("workflow"));
                }
                record(tx, &ctx, EventType::WorkflowDeleted, "workflow.deleted", &row).await
            })
        })
        .await
}

/// A workflow.
///
/// # Errors
/// `not_found` for another tenant's workflow.
pub async fn find(parts: &Parts, ctx: &TenantCtx, id: &WorkflowId) -> Result<WorkflowRow> {
    let found = parts.store.read().await?.workflow(ctx, id).await?;
    found.ok_or_else(|| Error::not_found("workflow"))
}

/// The workflow of an identifier or a name.
///
/// # Errors
/// `not_found`.
pub async fn named(parts: &Parts, ctx: &TenantCtx, name: &str) -> Result<WorkflowRow> {
    if let Some(id) = WorkflowId::parse(name)
        && let Ok(found) = find(parts, ctx, &id).await
    {
        return Ok(found);
    }
    let found = parts.store.read().await?.workflow_by_name(ctx, name).await?;
    found.ok_or_else(|| Error::not_found(&format!("workflow `{name}`")))
}

/// The definition a workflow's next run pins.
///
/// # Errors
/// What the database says.
pub async fn definition(parts: &Parts, ctx: &TenantCtx, row: &WorkflowRow) -> Result<Value> {
    let text = parts.store.read().await?.definition(ctx, &row.definition_hash).await?;
    serde_json::from_str(&text).map_err(Error::internal)
}

/// Starts a run of a workflow by hand. Where its trigger names runs and there is one of this name,
/// that one is returned.
///
/// # Errors
/// `conflict` when the workflow is broken; `invalid` for an input that it does not take.
pub async fn execute(
    parts: &Parts,
    ctx: &TenantCtx,
    workflow: &WorkflowRow,
    input: Value,
) -> Result<Run> {
    execute_at(parts, ctx, workflow, input, None).await
}

/// The same, not before a time.
///
/// # Errors
/// What [`execute`] says.
pub async fn execute_at(
    parts: &Parts,
    ctx: &TenantCtx,
    workflow: &WorkflowRow,
    input: Value,
    due_at: Option<Timestamp>,
) -> Result<Run> {
    if workflow.status == WorkflowStatus::Error {
        return Err(Error::new(
            Code::Conflict,
            "The workflow is in status `error`: mend it and set it to `active` first.",
        ));
    }
    let program = parts.programs.get(parts, ctx, &workflow.definition_hash).await?;
    accept(&program.definition().inputs, &input)?;
    let config = workflow.trigger_config.as_object();
    let key = config.map_or(Ok(None), |config| dedupe_key(config, &workflow.id, &input))?;
    let mut new = new_run(workflow, "manual", input);
    new.dedupe_key = key;
    new.due_at = due_at;
    start_run(parts, ctx, new, About::Audited).await
}

/// Starts a run that nobody in particular asked for; it is told of.
///
/// # Errors
/// What the database says.
pub async fn start(parts: &Parts, ctx: &TenantCtx, new: NewRun) -> Result<Run> {
    start_run(parts, ctx, new, About::Told).await
}

async fn start_run(parts: &Parts, ctx: &TenantCtx, new: NewRun, about: About) -> Result<Run> {
    let (ctx, runs) = (ctx.clone(), vec![new]);
    let arrival = Arrival { ctx, receipt: None, told: Vec::new(), runs, about };
    match parts.door.take(parts, arrival).await? {
        Arrived::Taken(started) => {
            started.into_iter().next().map(|one| Arc::unwrap_or_clone(one.run))
        }
        Arrived::Replayed => None,
    }
    .ok_or_else(|| Error::internal("a run was accepted and is not there"))
}

/// A run of a workflow that pins its present definition.
pub(crate) fn new_run(workflow: &WorkflowRow, trigger: &str, input: Value) -> NewRun {
    NewRun {
        queue: Some(workflow.queue.clone()),
        priority: workflow.priority,
        turnstile: workflow
            .concurrency
            .as_ref()
            .map(|concurrency| concurrency.turnstile(&workflow.id, &input)),
        definition_hash: workflow.definition_hash.clone(),
        interp_version: INTERP_VERSION,
        ..NewRun::new(RunKind::Workflow, workflow.id.as_str(), trigger, input)
    }
}

async fn keep_definition(
    tx: &mut Tx,
    ctx: &TenantCtx,
    hash: &str,
    definition: &Arc<Definition>,
) -> Result<()> {
    let text = definition.to_json().to_string();
    Ok(tx.put_definition(ctx, hash, &text).await?)
}

async fn record(
    tx: &mut Tx,
    ctx: &TenantCtx,
    kind: EventType,
    action: &str,
    row: &WorkflowRow,
) -> Result<()> {
    let data = json!({ "name": row.name, "status": row.status, "trigger_type": row.trigger_type });
    tx.emit(ctx, kind, row.id.as_str(), data.clone()).await?;
    tx.audit(ctx, action, row.id.as_str(), data).await
}
