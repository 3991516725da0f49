//! Webhooks coming in: verified on the raw bytes, deduplicated, and answered only after the runs
//! they start are durable.

use connectus_connect::webhook::{self, Delivery, InboundEvent, Reply};
use connectus_core::{
    Code, EndpointId, Error, IntegrationId, Result, TenantCtx, TenantId, drill::Site,
    event::EventType,
};
use connectus_store::{Tx, workflows::WorkflowRow};
use http::HeaderMap;
use serde_json::{Value, json};

use crate::{parts::Parts, triggers};

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
#[derive(Debug)]
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
    let source =
        Source { ctx, integration: inbound.integration, provider, endpoint: incoming.endpoint };
    parts
        .store
        .write_at(&[Site::Intake], move |tx| {
            Box::pin(async move { take_all(tx, &source, events).await })
        })
        .await
}

struct Source {
    ctx: TenantCtx,
    integration: IntegrationId,
    provider: String,
    endpoint: EndpointId,
}

async fn take_all(tx: &mut Tx, source: &Source, events: Vec<InboundEvent>) -> Result<Received> {
    let workflows = tx.triggered_workflows(&source.ctx, "webhook").await?;
    let (mut taken, mut runs) = (0, 0);
    for event in events {
        if tx.take_receipt(&source.ctx, &source.endpoint, &event.id).await? {
            taken += 1;
            runs += take(tx, source, &workflows, &event).await?;
        }
    }
    Ok(if taken == 0 { Received::Replayed } else { Received::Accepted { events: taken, runs } })
}

/// Records one new event and starts the workflows that wait for it.
async fn take(
    tx: &mut Tx,
    source: &Source,
    workflows: &[WorkflowRow],
    event: &InboundEvent,
) -> Result<usize> {
    let ctx = &source.ctx;
    let data = json!({
        "provider": source.provider,
        "event": event.name,
        "event_id": event.id,
        "object_id": event.object_id,
    });
    tx.emit(ctx, EventType::WebhookReceived, source.integration.as_str(), data).await?;
    let mut started = 0;
    for workflow in workflows.iter().filter(|workflow| waits_for(workflow, source, event)) {
        let key = format!("hook:{}:{}:{}", source.endpoint, event.id, workflow.id);
        let new = triggers::run_of(workflow, "webhook", input(source, event), key);
        let (_, created) = tx.insert_run(ctx, new).await?;
        started += usize::from(created);
    }
    Ok(started)
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
