//! Rules: made, changed, tried out, deleted.

use connectus_core::{
    Code, Error, NotificationRuleId, Result, TenantCtx,
    event::EventType,
    notification::{
        Channel, MAX_RULES, Notification, NotificationRule, NotificationStatus, Sample, Severity,
    },
};
use connectus_store::{Store, Tx};
use serde_json::json;

use super::send;
use crate::parts::Parts;

/// A rule to make.
#[derive(Clone, Debug)]
pub struct NewRule {
    /// What people call it.
    pub name: String,
    /// Event types: names, prefixes ending in `.*`, or `*`.
    pub events: Vec<String>,
    /// How bad an event is at least.
    pub severity: Severity,
    /// Workflows, data flows or integrations it is about; empty for all.
    pub subjects: Vec<String>,
    /// By which way.
    pub channel: Channel,
    /// Seconds between two notifications.
    pub throttle_secs: u32,
}

/// What to change; `None` stays.
#[derive(Clone, Debug, Default)]
pub struct RuleChange {
    /// What people call it.
    pub name: Option<String>,
    /// Event types.
    pub events: Option<Vec<String>>,
    /// How bad an event is at least.
    pub severity: Option<Severity>,
    /// What it is about.
    pub subjects: Option<Vec<String>>,
    /// By which way.
    pub channel: Option<Channel>,
    /// Seconds between two notifications.
    pub throttle_secs: Option<u32>,
    /// Whether anyone is told. Enabled again, it tells of what happens from then on.
    pub enabled: Option<bool>,
}

/// A rule of the tenant.
///
/// # Errors
/// `not_found`.
pub async fn find(
    store: &Store,
    ctx: &TenantCtx,
    id: &NotificationRuleId,
) -> Result<NotificationRule> {
    store.read().await?.rule(ctx, id).await?.ok_or_else(unknown)
}

/// Makes a rule for what happens from now on.
///
/// # Errors
/// `invalid` for values that make no sense; `quota_exceeded` when there are too many; `conflict`
/// for e-mail where none is set up.
pub async fn create(parts: &Parts, ctx: &TenantCtx, new: NewRule) -> Result<NotificationRule> {
    let (env, ctx) = (parts.env().clone(), ctx.clone());
    let rule = NotificationRule {
        id: env.id(),
        name: new.name,
        events: new.events,
        severity: new.severity,
        subjects: new.subjects,
        channel: new.channel,
        throttle_secs: new.throttle_secs,
        enabled: true,
        created_by: ctx.actor().user().cloned(),
        created_at: env.now(),
        updated_at: env.now(),
        version: 1,
    };
    check(parts, &rule)?;
    parts
        .store
        .write(move |tx| {
            Box::pin(async move {
                if tx.count_rules(&ctx).await? >= MAX_RULES {
                    return Err(too_many());
                }
                tx.insert_rule(&ctx, &rule).await?;
                tell(tx, &ctx, EventType::NotificationRuleCreated, &rule).await?;
                Ok(rule)
            })
        })
        .await
}

/// Changes a rule as it was read.
///
/// # Errors
/// As [`create`]; `precondition_failed` when someone else changed it meanwhile.
pub async fn update(
    parts: &Parts,
    ctx: &TenantCtx,
    before: &NotificationRule,
    change: RuleChange,
) -> Result<NotificationRule> {
    let mut changed = before.clone();
    let RuleChange { name, events, severity, subjects, channel, throttle_secs, enabled } = change;
    changed.name = name.unwrap_or(changed.name);
    changed.events = events.unwrap_or(changed.events);
    changed.severity = severity.unwrap_or(changed.severity);
    changed.subjects = subjects.unwrap_or(changed.subjects);
    changed.channel = channel.unwrap_or(changed.channel);
    changed.throttle_secs = throttle_secs.unwrap_or(changed.throttle_secs);
    changed.enabled = enabled.unwrap_or(changed.enabled);
    check(parts, &changed)?;
    let ctx = ctx.clone();
    parts
        .store
        .write(move |tx| {
            Box::pin(async move {
                if !tx.update_rule(&ctx, &changed).await? {
                    return Err(moved_on());
                }
                tell(tx, &ctx, EventType::NotificationRuleUpdated, &changed).await?;
                tx.rule(&ctx, &changed.id).await?.ok_or_else(unknown)
            })
        })
        .await
}

/// Deletes a rule with its notifications.
///
/// # Errors
/// `not_found`.
pub async fn delete(store: &Store, ctx: &TenantCtx, id: &NotificationRuleId) -> Result<()> {
    let (ctx, id) = (ctx.clone(), id.clone());
    store
        .write(move |tx| {
            Box::pin(async move {
                if !tx.delete_rule(&ctx, &id).await? {
                    return Err(unknown());
                }
                let kind = EventType::NotificationRuleDeleted;
                tx.happened(&ctx, kind, id.as_str(), json!({})).await
            })
        })
        .await
}

/// Tells people once, now, that this is a trial.
///
/// # Errors
/// Why they cannot be told.
pub async fn try_out(parts: &Parts, ctx: &TenantCtx, rule: &NotificationRule) -> Result<()> {
    let now = parts.env().now();
    let sample = Sample {
        seq: 0,
        kind: "trial".to_owned(),
        subject: rule.id.to_string(),
        message: "Nothing is wrong: someone tries out this rule.".to_owned(),
        at: now,
    };
    let trial = Notification {
        id: parts.env().id(),
        rule: rule.id.clone(),
        status: NotificationStatus::Pending,
        count: 1,
        last_seq: 0,
        first_at: now,
        last_at: now,
        samples: vec![sample],
        attempts: 1,
        problem: None,
        due_at: None,
        finished_at: None,
    };
    if rule.channel != Channel::Webhook {
        return send::hand_over(parts, ctx, rule, &trial).await;
    }
    let (ctx, rule) = (ctx.clone(), rule.clone());
    parts
        .store
        .write(move |tx| Box::pin(async move { send::raise(tx, &ctx, &rule, &trial).await }))
        .await
}

fn check(parts: &Parts, rule: &NotificationRule) -> Result<()> {
    rule.check()?;
    match rule.channel {
        Channel::Email { .. } => parts.mailer.needed(),
        Channel::Slack { .. } | Channel::Webhook => Ok(()),
    }
}

/// Whom it tells is left out: addresses of people are nobody else's business.
async fn tell(
    tx: &mut Tx,
    ctx: &TenantCtx,
    kind: EventType,
    about: &NotificationRule,
) -> Result<()> {
    let detail = json!({
        "name": about.name,
        "events": about.events,
        "severity": about.severity,
        "channel": about.channel.name(),
        "enabled": about.enabled,
    });
    tx.happened(ctx, kind, about.id.as_str(), detail).await
}

fn unknown() -> Error {
    Error::not_found("notification rule")
}

fn moved_on() -> Error {
    let detail =
        "Someone changed the rule since you read it. Read it again and repeat your change.";
    Error::new(Code::PreconditionFailed, detail)
}

fn too_many() -> Error {
    let detail = format!(
        "There are {MAX_RULES} notification rules already. Delete one, or widen the events of \
         another."
    );
    Error::new(Code::QuotaExceeded, detail).with("limit", MAX_RULES)
}
