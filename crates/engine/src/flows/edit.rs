//! Creating, changing and deleting data flows.

use connectus_connect::Plan as Provider;
use connectus_core::{
    Code, Error, FlowId, IntegrationId, Result, TenantCtx,
    collection::CollectionName,
    event::EventType,
    flow::{ConflictPolicy, DataFlow, Direction, FlowOptions, FlowStatus, Leg},
    schedule,
};
use connectus_store::{Conn, Tx};
use serde_json::{Map, Value, json};

use crate::{
    ends::{self, Facts},
    parts::Parts,
    providers,
    sync::{fields, outgoing::Outgoing},
};

/// Data flows of one tenant at most.
pub const MAX_FLOWS: u64 = 1_000;

/// A data flow to be made.
#[derive(Clone, Debug)]
pub struct NewFlow {
    /// The integration it reads from.
    pub integration: IntegrationId,
    /// The name people give it.
    pub name: String,
    /// Which way records travel.
    pub direction: Direction,
    /// The provider's stream.
    pub stream: String,
    /// The collection at this end.
    pub destination: CollectionName,
    /// Fields read, by position.
    pub source_fields: Vec<String>,
    /// Fields written, by position.
    pub target_fields: Vec<String>,
    /// Rules by target field.
    pub transformation_rules: Map<String, Value>,
    /// Who wins a conflict.
    pub conflict_policy: ConflictPolicy,
    /// What it is told beyond that.
    pub options: FlowOptions,
    /// When it runs.
    pub sync_frequency: String,
    /// Whether it runs by schedule.
    pub status: FlowStatus,
}

/// What to change of a data flow; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct FlowChange {
    /// Another integration.
    pub integration: Option<IntegrationId>,
    /// Another name.
    pub name: Option<String>,
    /// Another direction.
    pub direction: Option<Direction>,
    /// Another stream.
    pub stream: Option<String>,
    /// Another collection.
    pub destination: Option<CollectionName>,
    /// Other fields to read.
    pub source_fields: Option<Vec<String>>,
    /// Other fields to write.
    pub target_fields: Option<Vec<String>>,
    /// Other rules.
    pub transformation_rules: Option<Map<String, Value>>,
    /// Another policy.
    pub conflict_policy: Option<ConflictPolicy>,
    /// Other options; they replace all.
    pub options: Option<FlowOptions>,
    /// Another schedule.
    pub sync_frequency: Option<String>,
    /// Another status.
    pub status: Option<FlowStatus>,
}

/// Makes a data flow. An active one gets its first due time.
///
/// # Errors
/// `not_found` for an integration that is not the tenant's, `bad_request` and `invalid` naming
/// every field at fault, `quota_exceeded` beyond [`MAX_FLOWS`].
pub async fn create(parts: &Parts, ctx: &TenantCtx, new: NewFlow) -> Result<DataFlow> {
    let now = parts.env().now();
    let mut flow = DataFlow {
        id: parts.env().id(),
        tenant: ctx.tenant().clone(),
        integration: new.integration,
        name: new.name,
        direction: new.direction,
        status: new.status,
        status_reason: None,
        stream: new.stream,
        destination: new.destination,
        source_fields: new.source_fields,
        target_fields: new.target_fields,
        transformation_rules: new.transformation_rules,
        conflict_policy: new.conflict_policy,
        options: new.options,
        sync_frequency: new.sync_frequency,
        records_processed: 0,
        records_failed: 0,
        last_run: None,
        last_synced_at: None,
        next_due_at: None,
        created_by: ctx.actor().user().cloned(),
        created_at: now,
        updated_at: now,
        version: 1,
    };
    let mut conn = parts.store.read().await?;
    check(&mut conn, ctx, &mut flow).await?;
    plan_next(&mut conn, ctx, &mut flow, now).await?;
    drop(conn);
    let (owner, made) = (ctx.clone(), flow.clone());
    parts.store.write(move |tx| Box::pin(async move { insert(tx, &owner, &made).await })).await?;
    Ok(flow)
}

async fn insert(tx: &mut Tx, ctx: &TenantCtx, flow: &DataFlow) -> Result<()> {
    let filter = connectus_store::flows::FlowFilter::default();
    let page = connectus_core::Page { limit: 1, offset: 0 };
    if tx.flows(ctx, &filter, page).await?.total_count >= MAX_FLOWS {
        let detail = format!("A tenant has at most {MAX_FLOWS} data flows. Delete some first.");
        return Err(Error::new(Code::QuotaExceeded, detail).with("limit", MAX_FLOWS));
    }
    tx.insert_flow(flow).await?;
    tx.emit(ctx, EventType::FlowCreated, flow.id.as_str(), summary(flow)).await?;
    tx.audit(ctx, "flow.created", flow.id.as_str(), definition(flow)).await
}

/// Changes a data flow that still has the version `expected`; none: whatever it has.
///
/// A change of what is read or how it is mapped makes the next sync read everything again, so that
/// rows already written follow the new mapping.
///
/// # Errors
/// As [`create`], and `precondition_failed` when someone else changed it meanwhile.
pub async fn update(
    parts: &Parts,
    ctx: &TenantCtx,
    before: &DataFlow,
    change: FlowChange,
) -> Result<DataFlow> {
    let mut flow = before.clone();
    apply(&mut flow, change);
    let now = parts.env().now();
    let mut conn = parts.store.read().await?;
    check(&mut conn, ctx, &mut flow).await?;
    if flow.sync_frequency != before.sync_frequency || flow.status != before.status {
        plan_next(&mut conn, ctx, &mut flow, now).await?;
    }
    drop(conn);
    let again = Again {
        reread: reads_differently(before, &flow),
        relink: pairs_differently(before, &flow),
        relearn: looks_different(before, &flow),
        forget: redacts_differently(before, &flow),
    };
    let (owner, changed) = (ctx.clone(), flow.clone());
    parts
        .store
        .write(move |tx| Box::pin(async move { replace(tx, &owner, &changed, again).await }))
        .await?;
    flow.version += 1;
    flow.updated_at = now;
    Ok(flow)
}

/// What is to be done again after a change.
#[derive(Clone, Copy)]
struct Again {
    /// Both sides are read again from the beginning.
    reread: bool,
    /// What is known of pairs does not hold any more.
    relink: bool,
    /// Neither does what is known of the source's fields.
    relearn: bool,
    /// What is kept of rows may hold what is redacted now.
    forget: bool,
}

async fn replace(tx: &mut Tx, ctx: &TenantCtx, flow: &DataFlow, again: Again) -> Result<()> {
    if !tx.update_flow(flow).await? {
        return Err(Error::new(
            Code::PreconditionFailed,
            "Someone changed this data flow since you read it. Read it again and repeat \
             your change.",
        ));
    }
    if again.reread {
        tx.clear_flow_cursor(ctx, &flow.id).await?;
        tx.clear_flow_scan(ctx, &flow.id).await?;
    }
    if again.relink {
        tx.clear_links(ctx, &flow.id).await?;
    }
    if again.relearn {
        tx.clear_flow_shape(ctx, &flow.id).await?;
    }
    if again.forget {
        tx.forget_rejected_sources(ctx, &flow.id).await?;
        tx.drop_plans(ctx, &flow.id).await?;
    }
    tx.emit(ctx, EventType::FlowUpdated, flow.id.as_str(), summary(flow)).await?;
    tx.audit(ctx, "flow.updated", flow.id.as_str(), definition(flow)).await
}

/// Deletes a data flow, its cursor and its refused rows, and stops its run. Records stay.
///
/// # Errors
/// `not_found`.
pub async fn delete(parts: &Parts, ctx: &TenantCtx, id: &FlowId) -> Result<()> {
    let (owner, flow) = (ctx.clone(), id.clone());
    parts
        .store
        .write(move |tx| {
            Box::pin(async move {
                if let Some(run) = tx.open_run_of(&owner, flow.as_str()).await? {
                    tx.request_run_cancel(&owner, &run.id).await?;
                }
                if !tx.delete_flow(&owner, &flow).await? {
                    return Err(Error::not_found("data flow"));
                }
                tx.emit(&owner, EventType::FlowDeleted, flow.as_str(), Value::Null).await?;
                tx.audit(&owner, "flow.deleted", flow.as_str(), Value::Null).await
            })
        })
        .await
}

fn apply(flow: &mut DataFlow, change: FlowChange) {
    fn set<T>(field: &mut T, value: Option<T>) {
        if let Some(value) = value {
            *field = value;
        }
    }
    set(&mut flow.integration, change.integration);
    set(&mut flow.name, change.name);
    set(&mut flow.direction, change.direction);
    set(&mut flow.stream, change.stream);
    set(&mut flow.destination, change.destination);
    set(&mut flow.source_fields, change.source_fields);
    set(&mut flow.target_fields, change.target_fields);
    set(&mut flow.transformation_rules, change.transformation_rules);
    set(&mut flow.conflict_policy, change.conflict_policy);
    set(&mut flow.options, change.options);
    set(&mut flow.sync_frequency, change.sync_frequency);
    if change.status.is_some() {
        flow.status_reason = None;
    }
    set(&mut flow.status, change.status);
}

/// Checks a flow against the tenant's integrations and the provider's pack, and brings its
/// schedule into the stored form.
pub(super) async fn check(conn: &mut Conn, ctx: &TenantCtx, flow: &mut DataFlow) -> Result<()> {
    let integration = conn.integration(ctx, &flow.integration).await?;
    let integration = integration.ok_or_else(|| Error::not_found("integration"))?;
    if flow.status == FlowStatus::Error {
        return Err(Error::invalid("/status", "must be one of: draft, active, paused."));
    }
    flow.check()?;
    flow.sync_frequency = schedule::normalise(&flow.sync_frequency)?;
    let plan = providers::of(conn, ctx, &integration).await?;
    match ends::kind(&integration.provider) {
        Some(kind) => (kind.check)(flow)?,
        None => plan.check_stream(&flow.stream)?,
    }
    if flow.source_fields.is_empty() {
        return Err(Error::invalid("/source_fields", "names at least one field."));
    }
    for leg in flow.direction.legs() {
        if let Some(salt) = flow.mapping(*leg)?.salts().first() {
            let message =
                format!("no salt is configured under the name `{salt}`; use `\"sha256\"`.");
            return Err(Error::invalid("/transformation_rules", message));
        }
    }
    let facts = match ends::kind(&integration.provider) {
        Some(_) => None,
        None => Some(plan.stream(&flow.stream).map(|stream| Facts::of(&**stream))),
    };
    if let Some(facts) = &facts {
        if flow.options.cursor_field.is_some() {
            return Err(Error::invalid("/options/cursor_field", "is for tables that are read."));
        }
        if flow.direction.legs().contains(&Leg::Outbound) {
            let write = facts.as_ref().and_then(|facts| facts.write.as_ref());
            Outgoing::of(flow, &plan, write)?;
        }
    }
    if flow.direction.legs().contains(&Leg::Inbound) {
        check_reading(flow, &plan, facts.flatten().as_ref())?;
    }
    Ok(())
}

/// What is mapped is read, and what identifies records still tells them apart.
fn check_reading(flow: &DataFlow, provider: &Provider, facts: Option<&Facts>) -> Result<()> {
    let mapping = fields::mapping(flow, provider, Leg::Inbound, None)?;
    let missing = mapping.sources().find(|source| {
        let needed = facts.is_some_and(|facts| facts.needed.iter().any(|one| one == source));
        !needed && !flow.options.fields.reads(source)
    });
    if let Some(missing) = missing {
        let message = format!("leaves out `{missing}`, which is mapped.");
        return Err(Error::invalid("/options/fields", message));
    }
    facts.map_or(Ok(()), |facts| fields::check_keys(&mapping, &facts.key))
}

/// Plans the next run of an active flow; others have none.
async fn plan_next(
    conn: &mut Conn,
    ctx: &TenantCtx,
    flow: &mut DataFlow,
    now: connectus_core::Timestamp,
) -> Result<()> {
    flow.next_due_at = None;
    if flow.status == FlowStatus::Active {
        let zone = conn.tenant(ctx.tenant()).await?.map_or_else(|| "UTC".into(), |t| t.timezone);
        flow.next_due_at = flow.schedule(&zone)?.next_after(now);
    }
    Ok(())
}

/// Whether rows already written may no longer be what the flow would write.
fn reads_differently(before: &DataFlow, after: &DataFlow) -> bool {
    pairs_differently(before, after)
        || before.direction != after.direction
        || before.source_fields != after.source_fields
        || before.target_fields != after.target_fields
        || before.transformation_rules != after.transformation_rules
        || before.options.fields != after.options.fields
}

/// Whether the records of the source may have other fields.
fn looks_different(before: &DataFlow, after: &DataFlow) -> bool {
    before.integration != after.integration
        || before.stream != after.stream
        || before.options.fields != after.options.fields
}

/// Whether other values are redacted, or in another way; a field that is not read any more, too.
fn redacts_differently(before: &DataFlow, after: &DataFlow) -> bool {
    let redacted = |flow: &DataFlow| {
        let of = |leg: &Leg| {
            let mapping = flow.mapping(*leg).unwrap_or_default();
            let each = mapping.redactions().into_iter();
            each.map(|(field, how)| (field.to_owned(), how)).collect::<Vec<_>>()
        };
        flow.direction.legs().iter().flat_map(of).collect::<Vec<_>>()
    };
    redacted(before) != redacted(after) || before.options.fields != after.options.fields
}

/// Whether records may have become other things of the provider's.
fn pairs_differently(before: &DataFlow, after: &DataFlow) -> bool {
    before.integration != after.integration
        || before.stream != after.stream
        || before.destination != after.destination
        || before.options.match_field != after.options.match_field
        || before.options.cursor_field != after.options.cursor_field
}

fn summary(flow: &DataFlow) -> Value {
    json!({ "name": flow.name, "status": flow.status, "integration": flow.integration })
}

/// What an audit row keeps of a flow: all that a person can set.
fn definition(flow: &DataFlow) -> Value {
    json!({
        "integration": flow.integration,
        "name": flow.name,
        "direction": flow.direction,
        "status": flow.status,
        "stream": flow.stream,
        "destination": flow.destination,
        "source_fields": flow.source_fields,
        "target_fields": flow.target_fields,
        "transformation_rules": flow.transformation_rules,
        "conflict_policy": flow.conflict_policy,
        "options": flow.options,
        "sync_frequency": flow.sync_frequency,
    })
}
