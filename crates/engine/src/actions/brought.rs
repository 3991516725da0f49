//! Actions of providers that people bring. They differ from tenant to tenant, so what is asked of
//! them without the database is learnt when a definition that names them is compiled.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use connectus_connect::{Plan, packs};
use connectus_core::{
    Error, Result, TenantCtx, TenantId,
    integration::Integration,
    provider::{Action, Idempotency, Method},
    workflow::Program,
};
use connectus_store::Conn;
use serde_json::{Value, json};

use super::{ActionCx, built_in, provider};
use crate::{parts::Parts, providers};

/// Kinds remembered; beyond it all are forgotten, and learnt again with the next definition.
const KEPT: usize = 10_000;

type Kinds = HashMap<(TenantId, String), &'static str>;

static KINDS: LazyLock<Mutex<Kinds>> = LazyLock::new(Mutex::default);

/// The actions a tenant has brought: name, summary, JSON Schema of the input.
///
/// # Errors
/// What the database says.
pub async fn brought(parts: &Parts, ctx: &TenantCtx) -> Result<Vec<Value>> {
    let all = parts.store.read().await?.brought_providers(ctx).await?;
    let mut described = Vec::new();
    for provider in all.iter().filter(|one| packs::find(&one.name).is_err()) {
        let actions = provider.capabilities.get("actions").and_then(Value::as_array);
        for action in actions.into_iter().flatten() {
            let name = action.get("name").and_then(Value::as_str).unwrap_or_default();
            described.push(json!({
                "name": format!("{}.{name}", provider.name),
                "summary": action.get("description"),
                "input": action.get("input"),
            }));
        }
    }
    Ok(described)
}

/// The names of the actions a tenant has brought.
///
/// # Errors
/// What the database says.
pub async fn brought_names(parts: &Parts, ctx: &TenantCtx) -> Result<Vec<String>> {
    let all = brought(parts, ctx).await?;
    let name = |one: Value| one.get("name").and_then(Value::as_str).map(str::to_owned);
    Ok(all.into_iter().filter_map(name).collect())
}

/// Whether an action may be one that somebody brought.
pub(super) fn is_foreign(name: &str) -> bool {
    built_in(name).is_none() && provider::find(name).is_err()
}

/// How harmful it is to do a brought action twice. What was not learnt is taken for the worst.
pub(super) fn kind_of(tenant: &TenantId, name: &str) -> &'static str {
    let kinds = KINDS.lock().unwrap_or_else(PoisonError::into_inner);
    kinds.get(&(tenant.clone(), name.to_owned())).copied().unwrap_or(Idempotency::AtMostOnce.name())
}

/// Learns what the brought actions of a definition are.
///
/// # Errors
/// What the database says. A provider that is gone is no error before it is used.
pub(crate) async fn learn(conn: &mut Conn, ctx: &TenantCtx, program: &Program) -> Result<()> {
    for name in program.actions().into_iter().filter(|name| is_foreign(name)) {
        let Ok((_, action)) = newest(conn, ctx, name).await else { continue };
        let mut kinds = KINDS.lock().unwrap_or_else(PoisonError::into_inner);
        if kinds.len() >= KEPT {
            kinds.clear();
        }
        let kind = action.idempotency.name();
        kinds.insert((ctx.tenant().clone(), name.to_owned()), kind);
    }
    Ok(())
}

fn unknown(name: &str) -> Error {
    Error::invalid("action", format!("there is no action `{name}`"))
}

async fn newest(conn: &mut Conn, ctx: &TenantCtx, name: &str) -> Result<(Arc<Plan>, Action)> {
    let (provider, action) = name.split_once('.').ok_or_else(|| unknown(name))?;
    let plan = providers::find(conn, ctx, provider, None).await.map_err(|_| unknown(name))?;
    let found = plan.pack.action(action).cloned();
    found.map(|action| (plan, action)).ok_or_else(|| unknown(name))
}

/// Whether a brought action changes nothing at its provider.
pub(super) async fn only_reads(cx: &ActionCx<'_>, name: &str) -> Result<bool> {
    let mut conn = cx.parts.store.read().await?;
    Ok(newest(&mut conn, cx.ctx, name).await?.1.request.method == Method::Get)
}

/// The integration that a brought action goes through, and the action as it is in its version.
pub(super) async fn resolved(cx: &ActionCx<'_>, name: &str) -> Result<(Integration, Action)> {
    let (provider, action) = name.split_once('.').ok_or_else(|| unknown(name))?;
    let mut conn = cx.parts.store.read().await?;
    providers::find(&mut conn, cx.ctx, provider, None).await.map_err(|_| unknown(name))?;
    drop(conn);
    let integration = super::provider::integration(cx, provider).await?;
    let mut conn = cx.parts.store.read().await?;
    let plan = providers::of(&mut conn, cx.ctx, &integration).await?;
    let found = plan.pack.action(action).cloned();
    Ok((integration, found.ok_or_else(|| unknown(name))?))
}
