//! `connectus webhooks`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use connectus_connect::EgressPolicy;
use connectus_core::{
    Error, Page, Result, Timestamp,
    delivery::{Delivery, DeliveryStatus, Subscription},
};
use connectus_engine::deliveries::{
    replay,
    subscriptions::{self, NewSubscription, SubscriptionChange},
};
use connectus_store::{Store, deliveries::DeliveryFilter};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::{Global, find, output};
use crate::{auth::admin, config::Settings};

/// Rows listed for each tenant or subscription.
const LISTED: Page = Page { limit: 100, offset: 0 };

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List subscriptions.
    List {
        /// One tenant, by identifier or name; all without it.
        #[arg(long, short)]
        tenant: Option<String>,
        /// Answer in JSON.
        #[arg(long)]
        json: bool,
    },
    /// Subscribe an address to events. Its secret is shown this one time.
    Create(Create),
    /// Send deliveries to a subscription again, going on where it stopped.
    Enable {
        /// The subscription.
        subscription: String,
    },
    /// Stop deliveries to a subscription; events wait until it is enabled.
    Disable {
        /// The subscription.
        subscription: String,
    },
    /// Give a subscription a new secret; the one before signs along for a day.
    RotateSecret {
        /// The subscription.
        subscription: String,
        /// Answer in JSON.
        #[arg(long)]
        json: bool,
    },
    /// Delete a subscription with the log of its deliveries.
    Delete {
        /// The subscription.
        subscription: String,
    },
    /// List deliveries of a subscription, or show one with its attempts.
    Deliveries {
        /// The subscription or the delivery.
        of: String,
        /// Only pending, delivered or dead ones.
        #[arg(long)]
        status: Option<String>,
        /// Answer in JSON.
        #[arg(long)]
        json: bool,
    },
    /// Send one delivery again, or all of a subscription that failed since a time.
    Replay {
        /// The delivery, or with --since the subscription.
        of: String,
        /// All that failed since then: 2026-01-05T09:00:00Z or 2026-01-05.
        #[arg(long, value_parser = time)]
        since: Option<Timestamp>,
    },
}

#[derive(Debug, Args)]
pub struct Create {
    /// The tenant, by identifier or name.
    #[arg(long, short)]
    tenant: String,
    /// Where deliveries are posted.
    #[arg(long)]
    url: String,
    /// An event type, a family as `run.*`, or `*`. Repeatable.
    #[arg(long = "event", default_value = "*")]
    events: Vec<String>,
    /// What it is for.
    #[arg(long, default_value = "")]
    description: String,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

pub async fn run(command: Command, global: Global) -> Result<ExitCode> {
    let (config, opened) = global.open().await?;
    let (store, policy) = (&opened.store, policy(&config.settings));
    match command {
        Command::List { tenant, json } => list(store, tenant.as_deref(), json).await?,
        Command::Create(new) => create(store, &policy, new).await?,
        Command::Enable { subscription } => switch(store, &policy, &subscription, true).await?,
        Command::Disable { subscription } => switch(store, &policy, &subscription, false).await?,
        Command::RotateSecret { subscription, json } => {
            let (ctx, found) = find::subscription(store, &subscription).await?;
            let (found, secret) = subscriptions::rotate_secret(store, &ctx, &found.id).await?;
            show_secret(&found, &secret, json)?;
        }
        Command::Delete { subscription } => {
            let (ctx, found) = find::subscription(store, &subscription).await?;
            subscriptions::delete(store, &ctx, &found.id).await?;
            output::say(&format!("Webhook subscription {} is deleted.", found.id))?;
        }
        Command::Deliveries { of, status, json } => match find::delivery(store, &of).await {
            Ok((ctx, delivery)) => {
                let mut conn = store.read().await?;
                let log = conn.delivery_attempts(&ctx, &delivery.id, LISTED.limit).await?;
                let answer = json!({"delivery": delivery, "log": log});
                let attempts = log.iter().map(|one| {
                    let status = one.status.map_or("-".to_owned(), |status| status.to_string());
                    let took = format!("{} ms", one.millis);
                    [one.number.to_string(), one.at.to_string(), status, took, one.message.clone()]
                });
                let log = output::table(["attempt", "at", "status", "took", ""], attempts);
                output::show(json, &answer, &format!("{}\n\n{log}", table(&[delivery])))?;
            }
            Err(_) => deliveries(store, &of, status.as_deref(), json).await?,
        },
        Command::Replay { of, since: None } => {
            let (ctx, delivery) = find::delivery(store, &of).await?;
            replay::one(store, &ctx, &delivery.id).await?;
            output::say(&format!("Delivery {} is sent again.", delivery.id))?;
        }
        Command::Replay { of, since: Some(since) } => {
            let (ctx, found) = find::subscription(store, &of).await?;
            let count = replay::failed_since(store, &ctx, &found, since).await?;
            output::say(&format!("{count} deliveries are sent again."))?;
        }
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

fn policy(settings: &Settings) -> EgressPolicy {
    EgressPolicy {
        allow: settings.egress.allow.clone(),
        ports: settings.egress.ports.clone(),
        allow_insecure_http: settings.egress.allow_insecure_http,
        own_ports: Vec::new(),
    }
}

fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "must be a date, or a date and time with zone".to_owned())
}

async fn list(store: &Store, tenant: Option<&str>, json: bool) -> Result<()> {
    let mut found = Vec::new();
    for ctx in find::tenants(store, tenant).await? {
        found.extend(store.read().await?.subscriptions(&ctx, LISTED).await?.items);
    }
    let rows = found.iter().map(|one: &Subscription| {
        let state = one.disabled.map_or("enabled".to_owned(), |why| format!("disabled: {why}"));
        [one.id.to_string(), state, one.events.join(","), one.url.clone()]
    });
    output::show(json, &found, &output::table(["subscription", "state", "events", "url"], rows))
}

async fn create(store: &Store, policy: &EgressPolicy, new: Create) -> Result<()> {
    let ctx = admin::operator(store, &new.tenant).await?;
    let Create { url, events, description, json, .. } = new;
    let new = NewSubscription { url, events, description };
    let (made, secret) = subscriptions::create(store, policy, &ctx, new).await?;
    show_secret(&made, &secret, json)
}

async fn switch(store: &Store, policy: &EgressPolicy, text: &str, enabled: bool) -> Result<()> {
    let (ctx, before) = find::subscription(store, text).await?;
    let change = SubscriptionChange { enabled: Some(enabled), ..SubscriptionChange::default() };
    let changed = subscriptions::update(store, policy, &ctx, &before, change).await?;
    let state = if enabled { "enabled" } else { "disabled" };
    output::say(&format!("Webhook subscription {} is {state}.", changed.id))
}

fn show_secret(of: &Subscription, secret: &SecretString, json: bool) -> Result<()> {
    let secret = secret.expose_secret();
    let mut answer = serde_json::to_value(of).map_err(Error::internal)?;
    if let Some(members) = answer.as_object_mut() {
        members.insert("secret".to_owned(), secret.into());
    }
    let text = format!("{}\n{secret}\nKeep the secret: it is not shown again.", of.id);
    output::show(json, &answer, &text)
}

async fn deliveries(store: &Store, of: &str, status: Option<&str>, json: bool) -> Result<()> {
    let (ctx, found) = find::subscription(store, of).await?;
    let status: Option<DeliveryStatus> = status.map(str::parse).transpose()?;
    let filter = DeliveryFilter { subscription: Some(found.id), status };
    let found = store.read().await?.deliveries(&ctx, &filter, LISTED).await?.items;
    output::show(json, &found, &table(&found))
}

fn table(deliveries: &[Delivery]) -> String {
    let rows = deliveries.iter().map(|one| {
        let next = one.next_attempt_at.map_or("-".to_owned(), |at| at.to_string());
        [
            one.id.to_string(),
            one.event.clone(),
            one.status.name().to_owned(),
            one.total_attempts.to_string(),
            one.created_at.to_string(),
            next,
        ]
    });
    output::table(["delivery", "event", "status", "tries", "created", "next try"], rows)
}
