//! Actions of provider packs, through the tenant's integration with the provider.

use std::sync::Arc;

use connectus_connect::{ActionOutcome, Plan, Reachable, packs};
use connectus_core::{
    Code, Error, IntegrationId, Page, Result, TenantCtx,
    integration::{Integration, IntegrationStatus},
    provider::{Action, Idempotency, Method},
};
use serde_json::{Value, json};

use super::{ActionCx, brought};
use crate::parts::Parts;

/// The names of all actions of all packs.
pub(super) fn names() -> Vec<String> {
    let plans = packs::all().unwrap_or_default();
    plans
        .iter()
        .flat_map(|plan| {
            let pack = &plan.pack;
            let provider = pack.provider.name.as_str();
            pack.actions.iter().map(move |action| format!("{provider}.{}", action.name))
        })
        .collect()
}

/// All actions of all packs, described.
pub(super) fn described() -> Vec<Value> {
    let plans = packs::all().unwrap_or_default();
    let of = |plan: &Arc<Plan>| {
        let provider = plan.pack.provider.name.clone();
        plan.pack.actions.clone().into_iter().map(move |action| {
            json!({
                "name": format!("{provider}.{}", action.name),
                "summary": action.description,
                "input": action.input,
            })
        })
    };
    plans.iter().flat_map(of).collect()
}

/// The shape of what every action of a pack gives.
pub(super) fn output() -> Value {
    json!({ "type": "object", "properties": {
        "records": { "type": "array", "description": "the things made, changed or found" },
        "ids": { "type": "array", "description": "their ids, in the same order" },
        "failed": { "type": "array", "description": "items of a batch that were refused" },
        "calls": { "type": "integer", "description": "calls made" },
    } })
}

/// The pack and the action of a name.
pub(super) fn find(name: &str) -> Result<(Arc<Plan>, Action)> {
    let unknown = || Error::invalid("action", format!("there is no action `{name}`"));
    let (provider, action) = name.split_once('.').ok_or_else(unknown)?;
    let plan = packs::find(provider).map_err(|_| unknown())?;
    let found = plan.pack.actions.iter().find(|known| known.name == action).cloned();
    found.map(|action| (plan, action)).ok_or_else(unknown)
}

/// Whether an action of a pack changes nothing at the provider.
pub(super) async fn only_reads(cx: &ActionCx<'_>, name: &str) -> Result<bool> {
    match find(name) {
        Ok((_, action)) => Ok(action.request.method == Method::Get),
        Err(_) => brought::only_reads(cx, name).await,
    }
}

/// Performs an action of a pack. Where an earlier attempt may have done it and the pack says how to
/// find out, that is asked first, and what is found is the outcome.
pub(super) async fn perform(cx: &ActionCx<'_>, name: &str, input: &Value) -> Result<Value> {
    let (integration, action) = match find(name) {
        Ok((plan, action)) => (integration(cx, &plan.pack.provider.name).await?, action),
        Err(_) => brought::resolved(cx, name).await?,
    };
    let connection = cx.parts.connections.open(cx.ctx, &integration.id).await?;
    let found = match &action.idempotency {
        Idempotency::VerifyThenRetry { lookup } if cx.unsure => {
            look_for(&*connection, lookup, input, cx.key).await?
        }
        _ => None,
    };
    let outcome = match found {
        Some(found) => found,
        None => connection.call(&action.name, input, cx.key).await?,
    };
    serde_json::to_value(&outcome).map_err(Error::internal)
}

/// What an earlier attempt made, if it made something.
async fn look_for(
    connection: &dyn Reachable,
    lookup: &str,
    input: &Value,
    key: &str,
) -> Result<Option<ActionOutcome>> {
    match connection.call(lookup, input, key).await {
        Ok(found) => Ok(Some(found).filter(|found| !found.records.is_empty())),
        Err(error) if error.extra.get("verdict").is_some_and(|said| said == "not_found") => {
            Ok(None)
        }
        Err(error) if error.code == Code::Invalid => Err(Error::new(
            Code::Conflict,
            format!(
                "An earlier attempt may have done this, and it cannot be looked for ({}). Look at \
                 the provider, then retry the run if it was not done.",
                error.detail
            ),
        )),
        Err(error) => Err(error),
    }
}

/// The integration a step means.
pub(super) async fn integration(cx: &ActionCx<'_>, provider: &str) -> Result<Integration> {
    chosen(cx.parts, cx.ctx, cx.connection, provider).await
}

/// The integration that is named, by identifier or name, or the provider's only usable one.
pub(crate) async fn chosen(
    parts: &Parts,
    ctx: &TenantCtx,
    named: Option<&str>,
    provider: &str,
) -> Result<Integration> {
    let mut conn = parts.store.read().await?;
    if let Some(id) = named.and_then(IntegrationId::parse)
        && let Some(found) = conn.integration(ctx, &id).await?
        && found.provider == provider
    {
        return Ok(found);
    }
    let found = conn.integrations_of(ctx, provider, Page::default()).await?;
    drop(conn);
    let mut usable = found
        .into_iter()
        .filter(|one| named.is_none_or(|name| one.name == name))
        .filter(|one| one.status != IntegrationStatus::Paused);
    match (usable.next(), usable.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(Error::new(
            Code::ReauthRequired,
            match named {
                Some(name) => format!("There is no {provider} integration called `{name}`."),
                None => format!("No {provider} integration is connected. Connect one, then retry."),
            },
        )),
        (Some(_), Some(_)) => Err(Error::invalid(
            "connection",
            format!("there are several {provider} integrations; name one"),
        )),
    }
}
