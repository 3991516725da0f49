//! Sending again what failed, and what a receiver has lost.

use connectus_core::{
    Code, DeliveryId, Error, Result, TenantCtx, Timestamp,
    delivery::{Delivery, Subscription},
};
use connectus_store::Store;
use serde_json::json;

use super::subscriptions;

/// A delivery of the tenant.
///
/// # Errors
/// `not_found`.
pub async fn find(store: &Store, ctx: &TenantCtx, id: &DeliveryId) -> Result<Delivery> {
    store.read().await?.delivery(ctx, id).await?.ok_or_else(unknown)
}

/// Sends one delivery again, whatever became of it: now, and by the whole schedule. Its
/// `webhook-id` stays.
///
/// # Errors
/// `not_found`; `conflict` while its subscription is disabled.
pub async fn one(store: &Store, ctx: &TenantCtx, id: &DeliveryId) -> Result<Delivery> {
    let delivery = find(store, ctx, id).await?;
    check_enabled(&subscriptions::find(store, ctx, &delivery.subscription).await?)?;
    let (ctx, id) = (ctx.clone(), id.clone());
    store
        .write(move |tx| {
            Box::pin(async move {
                if !tx.replay_delivery(&ctx, &id).await? {
                    return Err(unknown());
                }
                let detail = json!({"subscription": delivery.subscription});
                tx.audit(&ctx, "delivery.replayed", id.as_str(), detail).await?;
                tx.delivery(&ctx, &id).await?.ok_or_else(unknown)
            })
        })
        .await
}

/// Sends again what was made since a time and has failed, for good or so far. How many there are.
///
/// # Errors
/// `conflict` while the subscription is disabled.
pub async fn failed_since(
    store: &Store,
    ctx: &TenantCtx,
    subscription: &Subscription,
    since: Timestamp,
) -> Result<u64> {
    check_enabled(subscription)?;
    let (ctx, id) = (ctx.clone(), subscription.id.clone());
    store
        .write(move |tx| {
            Box::pin(async move {
                let count = tx.replay_failed_deliveries(&ctx, &id, since).await?;
                let detail = json!({"since": since, "deliveries": count});
                tx.audit(&ctx, "delivery.replayed", id.as_str(), detail).await?;
                Ok(count)
            })
        })
        .await
}

fn check_enabled(subscription: &Subscription) -> Result<()> {
    if subscription.disabled.is_none() {
        return Ok(());
    }
    let detail = "The subscription is disabled. Enable it with PATCH {\"enabled\": true} first.";
    Err(Error::new(Code::Conflict, detail))
}

fn unknown() -> Error {
    Error::not_found("delivery")
}
