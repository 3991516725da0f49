//! Hands over notifications that are due. An attempt is a lease on a row: what a process was
//! handing over when it died is handed over again, as the same message to whoever can tell.

use std::time::Duration;

use connectus_connect::mail::Letter;
use connectus_core::{
    Code, Error, NotificationId, Result, TenantCtx, Timestamp,
    event::EventType,
    notification::{Channel, Notification, NotificationRule, next_attempt},
};
use connectus_store::{Tx, notifications::Told};
use futures::StreamExt;
use serde_json::json;

use crate::{actions, parts::Parts};

/// Notifications handed over at the same time.
const AT_ONCE: usize = 8;
/// Notifications looked at in one look.
const BATCH: u32 = 64;
/// Longest attempt.
const WITHIN: Duration = Duration::from_secs(100);
/// How long an attempt holds its notification, in seconds: longer than it may take.
const LEASE_SECS: i64 = 120;

/// What a look found.
pub(crate) struct Look {
    /// Attempts made.
    pub tried: usize,
    /// When a notification is due next.
    pub next_due: Option<Timestamp>,
}

/// Hands over what is due.
///
/// # Errors
/// What the database says.
pub(crate) async fn look(parts: &Parts) -> Result<Look> {
    let now = parts.env().now();
    let due = parts.store.read().await?.notifications_due(now, BATCH).await?;
    let tried = due.len();
    futures::stream::iter(due)
        .for_each_concurrent(AT_ONCE, async |(tenant, id)| {
            let ctx = TenantCtx::system(tenant);
            if let Err(error) = attempt(parts, &ctx, &id).await {
                tracing::warn!(
                    action = "notification.send",
                    service = "notifications",
                    status = "failure",
                    notification = %id,
                    error = %error,
                    cause = error.cause.as_deref(),
                    "what became of a notification cannot be written down; it is sent again"
                );
            }
        })
        .await;
    let next_due = parts.store.read().await?.next_notification_due().await?;
    Ok(Look { tried, next_due })
}

async fn attempt(parts: &Parts, ctx: &TenantCtx, id: &NotificationId) -> Result<()> {
    let lease = parts.env().now().plus_secs(LEASE_SECS);
    let (owner, wanted) = (ctx.clone(), id.clone());
    let claimed = parts
        .store
        .write(move |tx| {
            Box::pin(async move { tx.claim_notification(&owner, &wanted, lease).await })
        })
        .await?;
    let Some(claimed) = claimed else { return Ok(()) };
    // Its notifications go with a rule.
    let rule = parts.store.read().await?.rule(ctx, &claimed.rule).await?;
    let Some(rule) = rule else { return Ok(()) };
    let told = match rule.channel {
        // Nothing leaves the database: telling and noting it is one transaction.
        Channel::Webhook => Told::Sent,
        _ => verdict(parts, &claimed, hand_over(parts, ctx, &rule, &claimed).await),
    };
    record(parts, ctx, rule, claimed, told).await
}

/// Tells people, by e-mail or in Slack.
pub(super) async fn hand_over(
    parts: &Parts,
    ctx: &TenantCtx,
    rule: &NotificationRule,
    told: &Notification,
) -> Result<()> {
    let way = async {
        match &rule.channel {
            Channel::Email { to } => email(parts, ctx, to, rule, told).await,
            Channel::Slack { channel, integration } => {
                slack(parts, ctx, (channel, integration.as_deref()), rule, told).await
            }
            Channel::Webhook => Ok(()),
        }
    };
    tokio::time::timeout(WITHIN, way).await.unwrap_or_else(|_| {
        let detail = format!("Nobody took the message within {} seconds.", WITHIN.as_secs());
        Err(Error::new(Code::Timeout, detail))
    })
}

/// What a message is known by: equal over attempts.
fn key(ctx: &TenantCtx, told: &Notification) -> String {
    format!("{}/{}", ctx.tenant(), told.id)
}

async fn email(
    parts: &Parts,
    ctx: &TenantCtx,
    to: &[String],
    rule: &NotificationRule,
    told: &Notification,
) -> Result<()> {
    let letter = Letter {
        to: to.to_vec(),
        subject: told.title(&rule.name),
        text: told.text(&parts.public_url),
        ..Letter::default()
    };
    let (env, tenant) = (parts.env(), ctx.tenant());
    parts.mailer.send(env, tenant, &key(ctx, told), &letter).await.map(drop)
}

async fn slack(
    parts: &Parts,
    ctx: &TenantCtx,
    (channel, named): (&str, Option<&str>),
    rule: &NotificationRule,
    told: &Notification,
) -> Result<()> {
    let integration = actions::integration(parts, ctx, named, "slack").await?;
    let connection = parts.connections.open(ctx, &integration.id).await?;
    // What data says must not call people: `<!channel>` and links are markup there.
    let text = format!("*{}*\n{}", told.title(&rule.name), told.text(&parts.public_url));
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let input = json!({ "channel": channel, "text": text });
    connection.call("post_message", &input, &key(ctx, told)).await.map(drop)
}

/// What an attempt comes to. One of unknown outcome is made again: twice told is better than not
/// at all, and it is the same message.
fn verdict(parts: &Parts, claimed: &Notification, outcome: Result<()>) -> Told {
    let Err(error) = outcome else { return Told::Sent };
    let now = parts.env().now();
    match next_attempt(claimed.attempts, now) {
        Some(due) if error.is_transient() => {
            let asked = error.retry_after.and_then(|secs| i64::try_from(secs).ok()).unwrap_or(0);
            Told::Again(due.max(now.plus_secs(asked)), error.detail)
        }
        _ => Told::Failed(error.detail),
    }
}

async fn record(
    parts: &Parts,
    ctx: &TenantCtx,
    rule: NotificationRule,
    claimed: Notification,
    told: Told,
) -> Result<()> {
    let outcome = match &told {
        Told::Sent => "sent",
        Told::Again(..) => "again",
        Told::Failed(_) => "failed",
    };
    let channel = rule.channel.name();
    metrics::counter!(
        "connectus_notification_attempts_total", "channel" => channel, "outcome" => outcome
    )
    .increment(1);
    let ctx = ctx.clone();
    parts
        .store
        .write(move |tx| {
            Box::pin(async move {
                if !tx.notification_tried(&ctx, &claimed, &told).await? {
                    return Ok(());
                }
                match told {
                    Told::Sent if rule.channel == Channel::Webhook => {
                        raise(tx, &ctx, &rule, &claimed).await
                    }
                    Told::Failed(message) => failed(tx, &ctx, &rule, &claimed, &message).await,
                    Told::Sent | Told::Again(..) => Ok(()),
                }
            })
        })
        .await
}

/// Tells whoever has subscribed to `notification.raised`.
pub(super) async fn raise(
    tx: &mut Tx,
    ctx: &TenantCtx,
    rule: &NotificationRule,
    told: &Notification,
) -> Result<()> {
    let data = json!({
        "notification": told.id,
        "name": rule.name,
        "title": told.title(&rule.name),
        "count": told.count,
        "first_at": told.first_at,
        "last_at": told.last_at,
        "events": told.samples,
    });
    tx.emit(ctx, EventType::NotificationRaised, rule.id.as_str(), data).await
}

async fn failed(
    tx: &mut Tx,
    ctx: &TenantCtx,
    rule: &NotificationRule,
    told: &Notification,
    message: &str,
) -> Result<()> {
    tracing::error!(
        action = "notification.send",
        service = "notifications",
        status = "failure",
        tenant = %ctx.tenant(),
        rule = %rule.id,
        channel = rule.channel.name(),
        message,
        "people cannot be told of what went wrong"
    );
    let data = json!({
        "notification": told.id,
        "name": rule.name,
        "channel": rule.channel.name(),
        "count": told.count,
        "message": message,
    });
    tx.emit(ctx, EventType::NotificationFailed, rule.id.as_str(), data).await
}
