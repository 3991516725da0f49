//! Who is told of which events: made, changed, given a new secret, deleted.

use connectus_connect::{EgressPolicy, webhook};
use connectus_core::{
    Code, Error, Result, SubscriptionId, TenantCtx,
    delivery::{
        DisabledReason, MAX_SUBSCRIPTIONS, MAX_URL_BYTES, SIGN_ALONG_SECS, Subscription,
        check_description, check_events,
    },
    event::EventType,
};
use connectus_store::{Conn, Store, Tx, rotation::Rotation, webhook_subscriptions::SealedSecrets};
use secrecy::SecretString;
use serde_json::json;

/// A subscription to make.
#[derive(Clone, Debug)]
pub struct NewSubscription {
    /// Where deliveries are posted.
    pub url: String,
    /// Event types: names, prefixes ending in `.*`, or `*`.
    pub events: Vec<String>,
    /// What it is for.
    pub description: String,
}

/// What to change; `None` stays.
#[derive(Clone, Debug, Default)]
pub struct SubscriptionChange {
    /// Where deliveries are posted.
    pub url: Option<String>,
    /// Event types.
    pub events: Option<Vec<String>>,
    /// What it is for.
    pub description: Option<String>,
    /// Whether it gets anything. Enabled again, it goes on where it stopped.
    pub enabled: Option<bool>,
}

/// A subscription of the tenant.
///
/// # Errors
/// `not_found`.
pub async fn find(store: &Store, ctx: &TenantCtx, id: &SubscriptionId) -> Result<Subscription> {
    let found = store.read().await?.subscription(ctx, id).await?;
    found.ok_or_else(unknown)
}

/// Makes a subscription for what happens from now on, and the secret that signs its deliveries. The
/// secret is shown to nobody again.
///
/// # Errors
/// `egress_denied` for an address that is not allowed; `invalid` for values that make no sense;
/// `quota_exceeded` when the tenant has too many.
pub async fn create(
    store: &Store,
    policy: &EgressPolicy,
    ctx: &TenantCtx,
    new: NewSubscription,
) -> Result<(Subscription, SecretString)> {
    check_url(policy, &new.url)?;
    check_events(&new.events)?;
    check_description(&new.description)?;
    let (env, sealer, ctx) = (store.env().clone(), store.sealer().clone(), ctx.clone());
    let subscription = Subscription {
        id: env.id(),
        url: new.url,
        events: new.events,
        description: new.description,
        disabled: None,
        failing_since: None,
        previous_secret_until: None,
        created_by: ctx.actor().user().cloned(),
        created_at: env.now(),
        updated_at: env.now(),
        version: 1,
    };
    let secret = webhook::new_secret(&env);
    store
        .write(move |tx| {
            Box::pin(async move {
                if tx.count_subscriptions(&ctx).await? >= MAX_SUBSCRIPTIONS {
                    return Err(too_many());
                }
                let key = tx.sealing_key(&ctx, &sealer).await?;
                let place = SealedSecrets::place(&subscription.id);
                let sealed = sealer.seal(&key, ctx.tenant(), place, &secret)?;
                tx.insert_subscription(&ctx, &subscription, &sealed).await?;
                tell(tx, &ctx, EventType::SubscriptionCreated, &subscription).await?;
                Ok((subscription, secret))
            })
        })
        .await
}

/// Changes a subscription as it was read.
///
/// # Errors
/// As [`create`]; `precondition_failed` when someone else changed it meanwhile.
pub async fn update(
    store: &Store,
    policy: &EgressPolicy,
    ctx: &TenantCtx,
    before: &Subscription,
    change: SubscriptionChange,
) -> Result<Subscription> {
    let mut changed = before.clone();
    if let Some(url) = change.url {
        check_url(policy, &url)?;
        changed.url = url;
        changed.failing_since = None;
    }
    if let Some(events) = change.events {
        check_events(&events)?;
        changed.events = events;
    }
    if let Some(description) = change.description {
        check_description(&description)?;
        changed.description = description;
    }
    match change.enabled {
        Some(true) if before.disabled.is_some() => {
            (changed.disabled, changed.failing_since) = (None, None);
        }
        Some(false) if before.disabled.is_none() => {
            changed.disabled = Some(DisabledReason::Person);
        }
        _ => {}
    }
    let ctx = ctx.clone();
    store
        .write(move |tx| {
            Box::pin(async move {
                if !tx.update_subscription(&ctx, &changed).await? {
                    return Err(moved_on());
                }
                tell(tx, &ctx, EventType::SubscriptionUpdated, &changed).await?;
                tx.subscription(&ctx, &changed.id).await?.ok_or_else(unknown)
            })
        })
        .await
}

/// Gives a subscription a new secret. The one before signs along for a day, so that the receiver
/// can change over in peace; one that was still signing along until now stops.
///
/// # Errors
/// `not_found`; `conflict` when someone else did the same at the same time.
pub async fn rotate_secret(
    store: &Store,
    ctx: &TenantCtx,
    id: &SubscriptionId,
) -> Result<(Subscription, SecretString)> {
    let (env, sealer) = (store.env().clone(), store.sealer().clone());
    let (ctx, id) = (ctx.clone(), id.clone());
    let secret = webhook::new_secret(&env);
    store
        .write(move |tx| {
            Box::pin(async move {
                let before = tx.subscription_secrets(&ctx, &id).await?.ok_or_else(unknown)?;
                let key = tx.sealing_key(&ctx, &sealer).await?;
                let old_key = tx.opening_key(&ctx, &sealer, &before.sealed).await?;
                let (tenant, place) = (ctx.tenant(), SealedSecrets::place(&id));
                let old = sealer.open(&old_key, tenant, place, &before.sealed)?;
                let sealed = sealer.seal(&key, tenant, place, &secret)?;
                let place = SealedSecrets::previous_place(&id);
                let previous = sealer.seal(&key, tenant, place, &old)?;
                let until = env.now().plus_secs(SIGN_ALONG_SECS);
                let rotation = Rotation {
                    before: &before.sealed,
                    sealed: &sealed,
                    previous: (&previous, until),
                };
                if !tx.rotate_subscription(&ctx, &id, rotation).await? {
                    let detail = "Someone else changed the secret at the same time.";
                    return Err(Error::new(Code::Conflict, detail));
                }
                let kind = EventType::SubscriptionSecretRotated;
                let detail = json!({"previous_secret_until": until});
                tx.happened(&ctx, kind, id.as_str(), detail).await?;
                let subscription = tx.subscription(&ctx, &id).await?.ok_or_else(unknown)?;
                Ok((subscription, secret))
            })
        })
        .await
}

/// Deletes a subscription with its deliveries.
///
/// # Errors
/// `not_found`.
pub async fn delete(store: &Store, ctx: &TenantCtx, id: &SubscriptionId) -> Result<()> {
    let (ctx, id) = (ctx.clone(), id.clone());
    store
        .write(move |tx| {
            Box::pin(async move {
                if !tx.delete_subscription(&ctx, &id).await? {
                    return Err(unknown());
                }
                tx.happened(&ctx, EventType::SubscriptionDeleted, id.as_str(), json!({})).await
            })
        })
        .await
}

/// The secrets in force, newest first.
pub(super) async fn secrets(
    conn: &mut Conn,
    store: &Store,
    ctx: &TenantCtx,
    id: &SubscriptionId,
) -> Result<Vec<SecretString>> {
    let (sealer, tenant) = (store.sealer(), ctx.tenant());
    let sealed = conn.subscription_secrets(ctx, id).await?.ok_or_else(unknown)?;
    let key = conn.opening_key(ctx, sealer, &sealed.sealed).await?;
    let mut secrets = vec![sealer.open(&key, tenant, SealedSecrets::place(id), &sealed.sealed)?];
    if let Some(previous) = sealed.previous_at(store.env().now()) {
        let key = conn.opening_key(ctx, sealer, previous).await?;
        secrets.push(sealer.open(&key, tenant, SealedSecrets::previous_place(id), previous)?);
    }
    Ok(secrets)
}

/// The address is left out: whoever knows it may be able to post to it.
async fn tell(tx: &mut Tx, ctx: &TenantCtx, kind: EventType, about: &Subscription) -> Result<()> {
    let detail = json!({"events": about.events, "enabled": about.disabled.is_none()});
    tx.happened(ctx, kind, about.id.as_str(), detail).await
}

fn check_url(policy: &EgressPolicy, url: &str) -> Result<()> {
    if url.len() > MAX_URL_BYTES {
        return Err(Error::invalid("url", format!("must be at most {MAX_URL_BYTES} bytes.")));
    }
    policy.target(url).map(drop)
}

pub(super) fn unknown() -> Error {
    Error::not_found("webhook subscription")
}

fn moved_on() -> Error {
    let detail = "Someone changed the subscription since you read it. Read it again and repeat \
                  your change.";
    Error::new(Code::PreconditionFailed, detail)
}

fn too_many() -> Error {
    let detail = format!(
        "There are {MAX_SUBSCRIPTIONS} webhook subscriptions already. Delete one, or widen the \
         events of another."
    );
    Error::new(Code::QuotaExceeded, detail).with("limit", MAX_SUBSCRIPTIONS)
}
