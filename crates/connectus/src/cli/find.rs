//! Finds what an identifier names, whichever tenant it belongs to. The operator of a data directory
//! may see all of them.

use connectus_core::{
    DeliveryId, Error, FlowId, Result, RunId, SubscriptionId, TenantCtx,
    delivery::{Delivery, Subscription},
    flow::DataFlow,
    run::Run,
};
use connectus_store::Store;

use crate::auth::admin;

/// All tenants, or the one that is named.
pub async fn tenants(store: &Store, named: Option<&str>) -> Result<Vec<TenantCtx>> {
    if let Some(name) = named {
        return Ok(vec![admin::operator(store, name).await?]);
    }
    let mut found = Vec::new();
    for tenant in store.read().await?.tenants().await? {
        found.push(admin::operator(store, tenant.id.as_str()).await?);
    }
    Ok(found)
}

/// The tenant that is named, or the only one.
pub async fn tenant(store: &Store, named: Option<&str>) -> Result<TenantCtx> {
    let mut found = tenants(store, named).await?;
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        (Some(_), false) => Err(Error::invalid(
            "tenant",
            "must be named, as there are several: --tenant with an identifier or a name. \
             `connectus tenant list` shows them.",
        )),
        (None, _) => Err(Error::invalid(
            "tenant",
            "must be made first: `connectus tenant create NAME`, or `connectus serve --demo`.",
        )),
    }
}

/// A run with its tenant.
pub async fn run(store: &Store, text: &str) -> Result<(TenantCtx, Run)> {
    let unknown = || Error::not_found("run");
    let id = RunId::parse(text).ok_or_else(unknown)?;
    for ctx in tenants(store, None).await? {
        if let Some(run) = store.read().await?.run(&ctx, &id).await? {
            return Ok((ctx, run));
        }
    }
    Err(unknown())
}

/// A data flow with its tenant.
pub async fn flow(store: &Store, text: &str) -> Result<(TenantCtx, DataFlow)> {
    let unknown = || Error::not_found("data flow");
    let id = FlowId::parse(text).ok_or_else(unknown)?;
    for ctx in tenants(store, None).await? {
        if let Some(flow) = store.read().await?.flow(&ctx, &id).await? {
            return Ok((ctx, flow));
        }
    }
    Err(unknown())
}

/// A webhook subscription with its tenant.
pub async fn subscription(store: &Store, text: &str) -> Result<(TenantCtx, Subscription)> {
    let unknown = || Error::not_found("webhook subscription");
    let id = SubscriptionId::parse(text).ok_or_else(unknown)?;
    for ctx in tenants(store, None).await? {
        if let Some(found) = store.read().await?.subscription(&ctx, &id).await? {
            return Ok((ctx, found));
        }
    }
    Err(unknown())
}

/// A delivery with its tenant.
pub async fn delivery(store: &Store, text: &str) -> Result<(TenantCtx, Delivery)> {
    let unknown = || Error::not_found("delivery");
    let id = DeliveryId::parse(text).ok_or_else(unknown)?;
    for ctx in tenants(store, None).await? {
        if let Some(found) = store.read().await?.delivery(&ctx, &id).await? {
            return Ok((ctx, found));
        }
    }
    Err(unknown())
}
