//! What becomes of a delivery and its subscription after an attempt, in one transaction.

use connectus_core::{
    Code, Error, Result, TenantCtx, Timestamp,
    delivery::{Attempt, DISABLE_AFTER_SECS, Delivery, DisabledReason, next_attempt},
    drill::Site,
    event::EventType,
};
use connectus_store::{
    Tx,
    deliveries::{DeliveryClaim, Verdict},
};
use serde_json::json;

use crate::{
    health::{self, Problem},
    parts::Parts,
};

/// The status by which a receiver says that it wants nothing any more.
const GONE: u16 = 410;

/// Longest a receiver may put off the next attempt, in seconds.
const LONGEST_WISH_SECS: u64 = 24 * 3600;

/// Writes an attempt down, unless another engine has claimed the delivery meanwhile. `wish` is in
/// how many seconds the receiver wants to be asked again.
pub(super) async fn record(
    parts: &Parts,
    ctx: &TenantCtx,
    claim: &DeliveryClaim,
    (attempt, wish): (Attempt, Option<u64>),
) -> Result<()> {
    let (ctx, claim) = (ctx.clone(), claim.clone());
    parts
        .store
        .write_at(&[Site::Delivered], move |tx| {
            Box::pin(async move { record_in(tx, &ctx, &claim, (&attempt, wish)).await })
        })
        .await
}

async fn record_in(
    tx: &mut Tx,
    ctx: &TenantCtx,
    claim: &DeliveryClaim,
    (attempt, wish): (&Attempt, Option<u64>),
) -> Result<()> {
    let (now, delivery) = (tx.env().now(), &claim.delivery);
    let failed = attempt.error.is_some();
    let verdict = match next_attempt(delivery.attempts.saturating_add(1), now) {
        _ if !failed => Verdict::Delivered,
        // Whoever says when to come back is not asked sooner.
        Some(due) => Verdict::Again(due.max(not_before(now, wish))),
        None => Verdict::Dead,
    };
    if !tx.delivery_tried(ctx, claim, attempt, verdict).await? {
        return Ok(());
    }
    if !failed {
        return Ok(tx.subscription_succeeded(ctx, &delivery.subscription).await?);
    }
    if verdict == Verdict::Dead {
        tell_dead(tx, ctx, delivery, attempt).await?;
    }
    // None: it was disabled while the attempt was under way.
    let Some(since) = tx.subscription_failed(ctx, &delivery.subscription).await? else {
        return Ok(());
    };
    let reason = if attempt.status == Some(GONE) {
        DisabledReason::Gone
    } else if since.plus_secs(DISABLE_AFTER_SECS) <= now {
        DisabledReason::Failing
    } else {
        return Ok(());
    };
    disable(tx, ctx, delivery, attempt, (reason, since)).await
}

fn not_before(now: Timestamp, wish: Option<u64>) -> Timestamp {
    let secs = wish.unwrap_or(0).min(LONGEST_WISH_SECS);
    now.plus_secs(i64::try_from(secs).unwrap_or_default())
}

/// About the subscription, so that it is not told to itself.
async fn tell_dead(
    tx: &mut Tx,
    ctx: &TenantCtx,
    delivery: &Delivery,
    attempt: &Attempt,
) -> Result<()> {
    let detail = json!({
        "delivery": delivery.id,
        "event": delivery.event,
        "event_seq": delivery.event_seq,
        "attempts": delivery.attempts.saturating_add(1),
        "message": attempt.message,
    });
    tx.emit(ctx, EventType::DeliveryDead, delivery.subscription.as_str(), detail).await
}

async fn disable(
    tx: &mut Tx,
    ctx: &TenantCtx,
    delivery: &Delivery,
    attempt: &Attempt,
    (reason, since): (DisabledReason, Timestamp),
) -> Result<()> {
    let id = &delivery.subscription;
    if !tx.disable_subscription(ctx, id, reason).await? {
        return Ok(());
    }
    let detail = json!({"reason": reason, "failing_since": since, "message": attempt.message});
    tx.happened(ctx, EventType::SubscriptionDisabled, id.as_str(), detail).await?;
    let why = match reason {
        DisabledReason::Gone => "its receiver answered that it is gone for good".to_owned(),
        _ => format!("every attempt since {since} failed"),
    };
    let detail = format!("Webhook subscription {id} is disabled: {why}. {}", attempt.message);
    let problem = Problem {
        integration: None,
        operation: format!("delivery {id}"),
        error: Error::new(Code::ProviderUnavailable, detail),
        run: None,
    };
    health::report_in(tx, ctx, &problem).await.map(drop)
}
