//! Webhooks coming in: verified on the raw bytes, deduplicated, and answered only after the runs
//! they start are durable.

use std::time::Duration;

use connectus_connect::webhook::{self, Delivery, InboundEvent, Reply};
use connectus_core::{
    Code, EndpointId, Error, IntegrationId, Result, TenantCtx, TenantId, event::EventType,
};
use connectus_store::{events::NewEvent, receipts::Receipt, workflows::WorkflowRow};
use futures::future::join_all;
use http::HeaderMap;
use serde_json::{Value, json};

use crate::{
    answers::Awaited,
    driver::{About, Arrival, Arrived},
    parts::Parts,
    triggers,
};

/// A delivery as it arrived.
pub struct Incoming<'a> {
    /// The tenant named in the path.
    pub tenant: TenantId,
    /// The endpoint named in the path.
    pub endpoint: EndpointId,
    /// `POST` or `GET`.
    pub method: &'a str,
    /// The public URL the sender used, byte for byte.
    pub url: &'a str,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The raw body.
    pub body: &'a [u8],
}

/// What became of a delivery.
pub enum Received {
    /// The provider checked that the address is ours.
    Challenge(Reply),
    /// New events, and the runs they started.
    Accepted {
        /// Events not seen before.
        events: usize,
        /// Runs started.
        runs: usize,
    },
    /// Every event had been taken before.
    Replayed,
    /// A run whose end the sender is answered with.
    Awaited {
        /// Whose it is.
        ctx: TenantCtx,
        /// The run.
        awaited: Box<Awaited>,
        /// How long the sender waits.
        within: Duration,
        /// Whether this delivery started it; an earlier one did otherwise.
        is_new: bool,
    },
}

/// Takes a delivery.
///
/// # Errors
/// `not_found` for an unknown address, `bad_signature` when it is not from the provider (nothing
/// is stored then), `bad_request` when the body is not what the provider documents.
pub async fn receive(parts: &Parts, incoming: Incoming<'_>) -> Result<Received> {
    let ctx = TenantCtx::system(incoming.tenant.clone());
    let inbound = match parts.connections.webhook(&ctx, &incoming.endpoint).await {
        Err(error) if error.code == Code::NotFound => {
            return triggers::endpoint::receive(parts, &ctx, &incoming).await?.ok_or(error);
        }
        other => other?,
    };
    let pack = &inbound.plan.pack;
    let unknown = || Error::not_found("webhook endpoint");
    let triggers = pack.triggers.as_ref().ok_or_else(unknown)?;
    let delivery = Delivery {
        method: incoming.method,
        url: incoming.url,
        headers: incoming.headers,
        body: incoming.body,
    };
    let now = parts.env().now();
    if let Some(reply) = webhook::challenge(triggers, &inbound.secrets, delivery, now)? {
        return Ok(Received::Challenge(reply));
    }
    webhook::verify(triggers, &inbound.secrets, delivery, now)?;
    let events = webhook::events(triggers, incoming.body)?;
    let provider = pack.provider.name.clone();
    let (integration, endpoint) = (inbound.integration.clone(), incoming.endpoint);
    let source = Source { ctx, integration, provider, endpoint };
    take_all(parts, &source, events).await
}

struct Source {
    ctx: TenantCtx,
    integration: IntegrationId,
    provider: String,
    endpoint: EndpointId,
}

/// Takes events, each with the runs of the workflows that wait for it. What was taken before an
/// event fails stays taken: the provider sends all of them again.
async fn take_all(parts: &Parts, source: &Source, events: Vec<InboundEvent>) -> Result<Received> {
    let (store, tenant) = (&parts.store, source.ctx.tenant().clone());
    let read = async || Ok(store.read().await?.triggered_workflows(&source.ctx, "webhook").await?);
    let workflows = parts.triggered.by_providers.get(store, tenant, read).await?;
    let mut arrivals = events.iter().map(|event| arrival(source, &workflows, event));
    let arrived = match (arrivals.next(), events.len()) {
        (Some(only), 1) => vec![parts.door.take(parts, only).await],
        (first, _) => {
            let all = first.into_iter().chain(arrivals);
            join_all(all.map(|arrival| Box::pin(parts.door.take(parts, arrival)))).await
        }
    };
    let (mut taken, mut runs) = (0, 0);
    for arrived in arrived {
        if let Arrived::Taken(started) = arrived? {
            taken += 1;
            runs += started.iter().filter(|one| one.created).count();
        }
    }
    Ok(if taken == 0 { Received::Replayed } else { Received::Accepted { events: taken, runs } })
}

/// What is told of an event, and the runs of the workflows that wait for it.
fn arrival(source: &Source, workflows: &[WorkflowRow], event: &InboundEvent) -> Arrival {
    let (ctx, tenant) = (source.ctx.clone(), source.ctx.tenant().clone());
    let data = json!({
        "provider": source.provider,
        "event": event.name,
        "event_id": event.id,
        "object_id": event.object_id,
    });
    let (kind, subject) = (EventType::WebhookReceived, source.integration.to_string());
    let told = vec![NewEvent { tenant: tenant.clone(), kind, subject, data: data.into() }];
    let (endpoint, dedupe_id) = (source.endpoint.clone(), event.id.clone());
    let receipt = Some(Receipt { tenant, endpoint, dedupe_id });
    let waiting = workflows.iter().filter(|workflow| waits_for(workflow, source, event));
    let run = |workflow: &WorkflowRow| {
        let key = format!("hook:{}:{}:{}", source.endpoint, event.id, workflow.id);
        triggers::run_of(workflow, "webhook", input(source, event), key)
    };
    let runs = waiting.map(run).collect();
    Arrival { ctx, receipt, told, runs, about: About::Nothing }
}

fn waits_for(workflow: &WorkflowRow, source: &Source, event: &InboundEvent) -> bool {
    let named = |field: &str| workflow.trigger_config.get(field).and_then(Value::as_str);
    workflow.trigger_config.get("endpoint").is_none()
        && workflow.integration_id.as_ref().is_none_or(|id| *id == source.integration)
        && named("provider").is_none_or(|provider| provider == source.provider)
        && named("event").is_none_or(|wanted| {
            wanted == event.name
                || wanted.strip_suffix(".*").is_some_and(|family| {
                    event.name.strip_prefix(family).is_some_and(|rest| rest.starts_with('.'))
                })
        })
}

/// What a run learns of the event that started it.
fn input(source: &Source, event: &InboundEvent) -> Value {
    json!({
        "event": event.name,
        "event_id": event.id,
        "object_id": event.object_id,
        "occurred_at": event.occurred_at,
        "provider": source.provider,
        "integration_id": source.integration,
        "body": event.payload,
    })
}
