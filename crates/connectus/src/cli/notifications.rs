//! `connectus notifications`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use connectus_core::{
    Error, NotificationRuleId, Page, Result, TenantCtx,
    notification::{Channel, DEFAULT_THROTTLE_SECS, Notification, NotificationRule},
};
use connectus_engine::{
    Parts,
    notifications::rules::{self, NewRule, RuleChange},
};
use connectus_store::notifications::NotificationFilter;

use super::{Global, find, output};
use crate::{
    auth::admin,
    process::{Surroundings, assemble},
};

/// Rows shown at most.
const LISTED: Page = Page { limit: 200, offset: 0 };

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List rules.
    List {
        /// One tenant, by identifier or name; all without it.
        #[arg(long, short)]
        tenant: Option<String>,
        /// Answer in JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make a rule: without --events and --severity it tells of failures.
    Create(Create),
    /// Tell people once that this is a trial.
    Test {
        /// The rule.
        rule: String,
    },
    /// Let a rule tell nobody.
    Disable {
        /// The rule.
        rule: String,
    },
    /// Let a rule tell of what happens from now on.
    Enable {
        /// The rule.
        rule: String,
    },
    /// Delete a rule with the log of its notifications.
    Delete {
        /// The rule.
        rule: String,
    },
    /// Show what people were told, newest first.
    Log {
        /// One tenant, by identifier or name; all without it.
        #[arg(long, short)]
        tenant: Option<String>,
        /// Answer in JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub struct Create {
    /// The tenant, by identifier or name.
    tenant: String,
    /// What people call the rule.
    name: String,
    /// E-mail addresses to tell, comma-separated.
    #[arg(long, value_delimiter = ',', group = "way")]
    email: Vec<String>,
    /// A channel of the connected Slack to tell.
    #[arg(long, group = "way")]
    slack: Option<String>,
    /// Tell subscriptions for outgoing webhooks, by `notification.raised`.
    #[arg(long, group = "way")]
    webhook: bool,
    /// Event types, comma-separated: names, families as `run.*`.
    #[arg(long, value_delimiter = ',', default_value = "*")]
    events: Vec<String>,
    /// How bad an event is at least: info, warning, error or critical.
    #[arg(long, default_value = "error")]
    severity: String,
    /// Workflows, data flows or integrations it is about, comma-separated.
    #[arg(long, value_delimiter = ',')]
    about: Vec<String>,
    /// Seconds between two notifications.
    #[arg(long, default_value_t = DEFAULT_THROTTLE_SECS)]
    throttle: u32,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

pub async fn run(command: Command, global: Global) -> Result<ExitCode> {
    let (config, opened) = global.open().await?;
    let app = assemble(&opened.store, &config.settings, Surroundings::default())?;
    let parts = &app.engine_parts;
    match command {
        Command::List { tenant, json } => list(parts, tenant.as_deref(), json).await?,
        Command::Log { tenant, json } => log(parts, tenant.as_deref(), json).await?,
        Command::Create(new) => create(parts, new).await?,
        Command::Test { rule } => {
            let (ctx, rule) = named(parts, &rule).await?;
            rules::try_out(parts, &ctx, &rule).await?;
            output::say(&format!("The message of {} was handed over.", rule.id))?;
        }
        Command::Disable { rule } => switch(parts, &rule, false).await?,
        Command::Enable { rule } => switch(parts, &rule, true).await?,
        Command::Delete { rule } => {
            let (ctx, rule) = named(parts, &rule).await?;
            rules::delete(&parts.store, &ctx, &rule.id).await?;
            output::say(&format!("Notification rule {} is deleted.", rule.id))?;
        }
    }
    parts.connections.close().await;
    opened.store.close().await;
    Ok(ExitCode::SUCCESS)
}

async fn list(parts: &Parts, tenant: Option<&str>, json: bool) -> Result<()> {
    let mut found = Vec::new();
    for ctx in find::tenants(&parts.store, tenant).await? {
        found.extend(parts.store.read().await?.rules(&ctx, LISTED).await?.items);
    }
    let rows = found.iter().map(|one: &NotificationRule| {
        [
            one.id.to_string(),
            one.name.clone(),
            if one.enabled { "enabled" } else { "disabled" }.to_owned(),
            format!("{} {}", one.severity, one.events.join(",")),
            one.channel.name().to_owned(),
            format!("{} s", one.throttle_secs),
        ]
    });
    let head = ["rule", "name", "state", "tells of", "by", "throttle"];
    output::show(json, &found, &output::table(head, rows))
}

async fn log(parts: &Parts, tenant: Option<&str>, json: bool) -> Result<()> {
    let (mut found, filter) = (Vec::new(), NotificationFilter::default());
    for ctx in find::tenants(&parts.store, tenant).await? {
        found.extend(parts.store.read().await?.notifications(&ctx, &filter, LISTED).await?.items);
    }
    let rows = found.iter().map(|one: &Notification| {
        [
            one.id.to_string(),
            one.rule.to_string(),
            one.status.name().to_owned(),
            one.count.to_string(),
            one.last_at.to_string(),
            one.problem.clone().unwrap_or_default(),
        ]
    });
    let head = ["notification", "rule", "status", "events", "last", "problem"];
    output::show(json, &found, &output::table(head, rows))
}

async fn create(parts: &Parts, new: Create) -> Result<()> {
    let ctx = admin::operator(&parts.store, &new.tenant).await?;
    let channel = match (new.slack, new.webhook) {
        (Some(channel), _) => Channel::Slack { channel, integration: None },
        (None, true) => Channel::Webhook,
        (None, false) if new.email.is_empty() => {
            return Err(Error::invalid("channel", "must be --email, --slack or --webhook."));
        }
        (None, false) => Channel::Email { to: new.email },
    };
    let made = NewRule {
        name: new.name,
        events: new.events,
        severity: new.severity.parse()?,
        subjects: new.about,
        channel,
        throttle_secs: new.throttle,
    };
    let rule = rules::create(parts, &ctx, made).await?;
    output::show(new.json, &rule, rule.id.as_str())
}

async fn switch(parts: &Parts, text: &str, enabled: bool) -> Result<()> {
    let (ctx, before) = named(parts, text).await?;
    let change = RuleChange { enabled: Some(enabled), ..RuleChange::default() };
    let changed = rules::update(parts, &ctx, &before, change).await?;
    let state = if enabled { "enabled" } else { "disabled" };
    output::say(&format!("Notification rule {} is {state}.", changed.id))
}

/// A rule with its tenant.
async fn named(parts: &Parts, text: &str) -> Result<(TenantCtx, NotificationRule)> {
    let unknown = || Error::not_found("notification rule");
    let id = NotificationRuleId::parse(text).ok_or_else(unknown)?;
    for ctx in find::tenants(&parts.store, None).await? {
        if let Some(rule) = parts.store.read().await?.rule(&ctx, &id).await? {
            return Ok((ctx, rule));
        }
    }
    Err(unknown())
}
