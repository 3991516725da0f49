//! What starts workflows besides people, providers and the clock.
//!
//! - [`events`] follows the event log, behind a cursor for each workflow that wants events or the
//!   ends of another workflow's runs. [`chain`] keeps workflows from starting one another for ever.
//! - [`condition`] looks at records, again and again, and starts runs for what turned true.
//! - [`endpoint`] takes calls to a workflow's own address.
//!
//! Each moves what it has seen in the transaction that starts the runs.

mod chain;
pub mod condition;
pub mod endpoint;
pub(crate) mod events;
pub mod pace;

use connectus_core::{
    Result, TenantCtx, WorkflowId,
    event::EventType,
    workflow::{Trigger, TriggerType, trigger::dedupe_key},
};
use connectus_store::{Tx, runs::NewRun, workflow_watches::WatchKind, workflows::WorkflowRow};
use serde_json::{Value, json};

use crate::{parts::Parts, workflows};

/// The trigger of a stored workflow, without its condition on what came in.
pub(crate) fn trigger_of(workflow: &WorkflowRow) -> Option<Trigger> {
    let kind = workflow.trigger_type.parse::<TriggerType>().ok()?;
    let config = workflow.trigger_config.as_object().cloned().unwrap_or_default();
    Some(Trigger { kind, config, when: None })
}

/// A run that a trigger starts. What it is called decides whether it is a new one: the name its
/// workflow gives it, else `key`.
pub(crate) fn run_of(workflow: &WorkflowRow, trigger: &str, input: Value, key: String) -> NewRun {
    let named = match workflow.trigger_config.as_object() {
        Some(config) => dedupe_key(config, &workflow.id, &input),
        None => Ok(None),
    };
    let named = named.unwrap_or_else(|error| {
        tracing::warn!(
            action = "trigger.dedupe",
            service = "engine",
            status = "failure",
            workflow = %workflow.id,
            error = %error,
            "a run cannot be named from its input; it is told apart by what started it"
        );
        None
    });
    let mut new = workflows::new_run(workflow, trigger, input);
    new.dedupe_key = Some(named.unwrap_or(key));
    new
}

/// Whether a change lets a trigger begin anew: it forgets what it has seen.
pub(crate) fn begins_anew(before: Option<&WorkflowRow>, after: &WorkflowRow) -> bool {
    before.is_none_or(|before| {
        before.trigger_type != after.trigger_type
            || before.trigger_config != after.trigger_config
            || before.integration_id != after.integration_id
    })
}

/// Lets a workflow watch what its trigger wants, from now on. One that was not active does not
/// learn of events that happened meanwhile; what records have come to meet is not forgotten.
pub(crate) async fn keep_watch(
    tx: &mut Tx,
    ctx: &TenantCtx,
    before: Option<&WorkflowRow>,
    after: &WorkflowRow,
) -> Result<()> {
    let anew = begins_anew(before, after);
    match after.trigger_type.parse()? {
        TriggerType::Event | TriggerType::Workflow => {
            if anew || before.is_some_and(|before| before.status != after.status) {
                tx.put_watch(ctx, &after.id, WatchKind::Events).await?;
            }
        }
        TriggerType::Condition => {
            if anew || tx.watch(ctx, &after.id).await?.is_none() {
                tx.put_watch(ctx, &after.id, WatchKind::Condition).await?;
            }
        }
        TriggerType::Manual | TriggerType::Webhook | TriggerType::Schedule => {
            tx.drop_watch(ctx, &after.id).await?;
        }
    }
    Ok(())
}

/// Marks a workflow whose trigger cannot be followed as one that needs mending.
pub(crate) async fn give_up(
    parts: &Parts,
    ctx: &TenantCtx,
    workflow: &WorkflowRow,
    reason: String,
) -> Result<()> {
    tracing::error!(
        action = "trigger.follow",
        service = "engine",
        status = "failure",
        workflow = %workflow.id,
        reason,
        "a workflow's trigger cannot be followed; it is in status `error` now"
    );
    let (ctx, id, name) = (ctx.clone(), workflow.id.clone(), workflow.name.clone());
    parts
        .store
        .write(move |tx| {
            Box::pin(async move {
                tx.break_workflow(&ctx, &id).await?;
                let data = json!({ "name": name, "status": "error", "reason": reason });
                tx.emit(&ctx, EventType::WorkflowUpdated, id.as_str(), data).await
            })
        })
        .await
}

/// The time zone of a tenant.
pub(crate) async fn time_zone(parts: &Parts, ctx: &TenantCtx) -> Result<String> {
    let tenant = parts.store.read().await?.tenant(ctx.tenant()).await?;
    Ok(tenant.map_or_else(|| "UTC".to_owned(), |tenant| tenant.timezone))
}

/// What a workflow's condition saw last; for the API.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When it was last looked.
    pub looked_at: Option<connectus_core::Timestamp>,
    /// For how many records it held.
    pub holding: usize,
    /// What was wrong.
    pub problem: Option<String>,
}

/// What a workflow's condition saw last; none for workflows without one.
///
/// # Errors
/// What the database says.
pub async fn seen(parts: &Parts, ctx: &TenantCtx, id: &WorkflowId) -> Result<Option<Seen>> {
    let watched = parts.store.read().await?.watch(ctx, id).await?;
    Ok(watched.filter(|watched| watched.kind == "condition").map(|watched| Seen {
        looked_at: watched.looked_at(),
        holding: condition::holding(&watched).map_or(0, |holding| holding.len()),
        problem: watched.problem,
    }))
}
