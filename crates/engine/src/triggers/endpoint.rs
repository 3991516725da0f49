//! Calls to a workflow's own address: verified on the raw bytes, taken once, answered after the run
//! they start is durable.

use std::{sync::Arc, time::Duration};

use connectus_connect::webhook::{self, Delivery};
use connectus_core::{
    Code, EndpointId, Env, Error, Result, TenantCtx, Timestamp,
    canonical::Digest,
    delivery::SIGN_ALONG_SECS,
    event::EventType,
    run::WorkflowStatus,
    workflow::trigger::{Endpoint, Signature, Watch},
};
use connectus_store::{
    Conn,
    events::NewEvent,
    receipts::Receipt,
    rotation::Rotation,
    seal::{Place, Sealer},
    workflow_endpoints::WorkflowEndpoint,
    workflows::WorkflowRow,
};
use http::HeaderMap;
use secrecy::SecretString;
use serde_json::{Map, Value, json};

use super::{run_of, trigger_of};
use crate::{
    answers::Awaited,
    driver::{About, Arrival, Arrived, Started},
    parts::Parts,
    webhooks::{Incoming, Received},
};

/// Headers of a call that a run is given at most.
const MAX_HEADERS: usize = 50;
/// Longest header that a run is given, in bytes.
const MAX_HEADER_BYTES: usize = 1_024;
/// Longest identifier of a call, in bytes.
const MAX_ID_BYTES: usize = 200;
/// Shortest and longest secret that someone brings along, in bytes.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 16..=200;
/// Headers that can hold a secret, and so are kept from runs.
const KEPT_BACK: [&str; 4] = ["authorization", "cookie", "proxy-authorization", "x-api-key"];

/// What taking a call at a workflow's address takes.
pub(crate) struct Address {
    workflow: WorkflowRow,
    endpoint: Endpoint,
    /// Those that count, newest first.
    secrets: Vec<SecretString>,
}

/// Reads what taking a call takes; `None` for an address that is no workflow's.
async fn read(parts: &Parts, ctx: &TenantCtx, address: &EndpointId) -> Result<Option<Address>> {
    let mut conn = parts.store.read().await?;
    let Some(found) = conn.workflow_endpoint(ctx, address).await? else { return Ok(None) };
    let Some(workflow) = conn.workflow(ctx, &found.workflow).await? else { return Ok(None) };
    let Some(endpoint) = endpoint_of(&workflow) else { return Ok(None) };
    let (sealer, now) = (parts.store.sealer(), parts.env().now());
    let secrets = secrets(&mut conn, ctx, sealer, &found, now).await?;
    Ok(Some(Address { workflow, endpoint, secrets }))
}

/// Takes a call to an address that is no provider's; `None` when it is no workflow's either.
///
/// # Errors
/// `bad_signature` when it does not come from someone who knows the secret (nothing is stored
/// then), `conflict` while the workflow is not active, `rate_limited` beyond
/// [`MAX_CALLS_A_MINUTE`](super::pace::MAX_CALLS_A_MINUTE).
pub(crate) async fn receive(
    parts: &Parts,
    ctx: &TenantCtx,
    incoming: &Incoming<'_>,
) -> Result<Option<Received>> {
    let key = (ctx.tenant().clone(), incoming.endpoint.clone());
    let read = || read(parts, ctx, &incoming.endpoint);
    let address = parts.triggered.addresses.get(&parts.store, key, read).await?;
    let (Some(address), "POST") = (&*address, incoming.method) else { return Ok(None) };
    let Address { workflow, endpoint, secrets } = address;
    let now = parts.env().now();
    let delivery = Delivery {
        method: incoming.method,
        url: incoming.url,
        headers: incoming.headers,
        body: incoming.body,
    };
    webhook::verify_signed(&endpoint.scheme(), secrets, delivery, now)?;
    if workflow.status != WorkflowStatus::Active {
        let detail = "The workflow behind this address is not active. Send it again when it is.";
        return Err(Error::new(Code::Conflict, detail));
    }
    parts.pace.take(ctx.tenant(), &workflow.id, now)?;
    let id = call_id(endpoint, incoming)?;
    let input = input(&id, incoming, now);
    let within = endpoint.answers_within.map(|within| Duration::from_millis(within.millis()));
    let call = Call { parts, ctx, address: &incoming.endpoint, id };
    call.take(workflow, input, within).await.map(Some)
}

/// A call that was found to be good.
struct Call<'c> {
    parts: &'c Parts,
    ctx: &'c TenantCtx,
    address: &'c EndpointId,
    id: String,
}

impl Call<'_> {
    /// Takes it, unless it was taken before. `within` is how long its sender waits for the run to
    /// end, if it does.
    async fn take(
        self,
        workflow: &WorkflowRow,
        input: Value,
        within: Option<Duration>,
    ) -> Result<Received> {
        let Self { parts, ctx, address, id } = self;
        let key = format!("hook:{address}:{id}");
        let data = json!({ "endpoint": address, "event_id": id, "workflow": workflow.id });
        let (tenant, kind) = (ctx.tenant().clone(), EventType::WebhookReceived);
        let told = NewEvent {
            tenant: tenant.clone(),
            kind,
            subject: workflow.id.to_string(),
            data: data.into(),
        };
        let arrival = Arrival {
            ctx: ctx.clone(),
            receipt: Some(Receipt { tenant, endpoint: address.clone(), dedupe_id: id }),
            told: vec![told],
            runs: vec![run_of(workflow, "webhook", input, key.clone())],
            about: About::Nothing,
        };
        let (arrived, end) = match within {
            Some(_) => parts.door.take_awaited(parts, arrival).await?,
            None => (parts.door.take(parts, arrival).await?, None),
        };
        let started = match arrived {
            Arrived::Taken(started) => started.into_iter().next(),
            Arrived::Replayed => None,
        };
        let is_new = started.as_ref().is_some_and(|started| started.created);
        let Some(within) = within else {
            return Ok(match started {
                Some(_) => Received::Accepted { events: 1, runs: usize::from(is_new) },
                None => Received::Replayed,
            });
        };
        let awaited = match started {
            Some(Started { run, created: true, .. }) => {
                Awaited::from_the_first(Arc::unwrap_or_clone(run), end)
            }
            Some(Started { run, .. }) => Awaited::of(&parts.store, Arc::unwrap_or_clone(run)),
            // Who asks again gets the answer to what was asked first.
            None => match parts.store.read().await?.run_of_key(ctx, &key).await? {
                Some(run) => Awaited::of(&parts.store, run),
                None => return Ok(Received::Replayed),
            },
        };
        Ok(Received::Awaited { ctx: ctx.clone(), awaited: Box::new(awaited), within, is_new })
    }
}

fn endpoint_of(workflow: &WorkflowRow) -> Option<Endpoint> {
    match trigger_of(workflow)?.watch("UTC", workflow.id.as_str()) {
        Ok(Watch::Endpoint(endpoint)) => Some(endpoint),
        _ => None,
    }
}

/// What tells a call from others: what its sender says, or its content.
fn call_id(endpoint: &Endpoint, incoming: &Incoming<'_>) -> Result<String> {
    let Some(header) = endpoint.id_header() else {
        return Ok(Digest::of(incoming.body).to_string());
    };
    let value = incoming.headers.get(header).and_then(|value| value.to_str().ok());
    let fits = |id: &&str| (1..=MAX_ID_BYTES).contains(&id.len());
    value.filter(fits).map(str::to_owned).ok_or_else(|| {
        let detail = format!(
            "The header `{header}`, which tells one call from another, is missing or longer than \
             {MAX_ID_BYTES} bytes."
        );
        Error::new(Code::BadRequest, detail)
    })
}

/// What a run learns of the call that started it.
fn input(id: &str, incoming: &Incoming<'_>, now: Timestamp) -> Value {
    let query = incoming.url.split_once('?').map_or("", |(_, query)| query);
    json!({
        "event_id": id,
        "received_at": now,
        "body": body(incoming.body),
        "headers": headers(incoming.headers),
        "query": webhook::form_fields(query.as_bytes()),
    })
}

/// JSON, a form, or text, in this order.
fn body(bytes: &[u8]) -> Value {
    if let Ok(value) = serde_json::from_slice(bytes) {
        return value;
    }
    let text = String::from_utf8_lossy(bytes);
    let first = text.split('&').next().unwrap_or_default();
    if first.contains('=') && !text.contains(char::is_whitespace) {
        return Value::Object(webhook::form_fields(bytes));
    }
    // Databases do not keep it in texts.
    Value::String(text.replace('\0', "\u{fffd}"))
}

fn headers(all: &HeaderMap) -> Map<String, Value> {
    let told = all.iter().filter_map(|(name, value)| {
        let (name, value) = (name.as_str(), value.to_str().ok()?);
        let secret = KEPT_BACK.contains(&name) || name.contains("signature");
        let fits = value.len() <= MAX_HEADER_BYTES && !secret;
        fits.then(|| (name.to_owned(), Value::from(value)))
    });
    told.take(MAX_HEADERS).collect()
}

/// The secrets that count now, newest first.
async fn secrets(
    conn: &mut Conn,
    ctx: &TenantCtx,
    sealer: &Sealer,
    found: &WorkflowEndpoint,
    now: Timestamp,
) -> Result<Vec<SecretString>> {
    let place = WorkflowEndpoint::place(&found.id);
    let mut secrets = vec![open(conn, ctx, sealer, place, &found.sealed).await?];
    if let Some((previous, until)) = &found.previous
        && now < *until
    {
        let place = WorkflowEndpoint::previous_place(&found.id);
        secrets.push(open(conn, ctx, sealer, place, previous).await?);
    }
    Ok(secrets)
}

async fn open(
    conn: &mut Conn,
    ctx: &TenantCtx,
    sealer: &Sealer,
    place: Place<'_>,
    sealed: &str,
) -> Result<SecretString> {
    let key = conn.opening_key(ctx, sealer, sealed).await?;
    sealer.open(&key, ctx.tenant(), place, sealed)
}

/// Gives a workflow an address of its own, or its address a new secret. The secret before counts
/// for another day. The secret is shown to nobody again.
///
/// # Errors
/// `conflict` for a workflow whose trigger takes no calls; `invalid` for a secret that its way of
/// signing cannot use.
pub async fn put(
    parts: &Parts,
    ctx: &TenantCtx,
    workflow: &WorkflowRow,
    secret: Option<SecretString>,
) -> Result<(WorkflowEndpoint, SecretString)> {
    let endpoint = endpoint_of(workflow).ok_or_else(no_endpoint)?;
    let secret = match secret {
        Some(secret) => checked(&endpoint, secret, parts.env())?,
        None => webhook::new_secret(parts.env()),
    };
    let (sealer, ctx, id) = (parts.store.sealer().clone(), ctx.clone(), workflow.id.clone());
    parts
        .store
        .write(move |tx| {
            Box::pin(async move {
                let key = tx.sealing_key(&ctx, &sealer).await?;
                let before = tx.endpoint_of_workflow(&ctx, &id).await?;
                let now = tx.env().now();
                let address = match &before {
                    Some(before) => before.id.clone(),
                    None => tx.env().id(),
                };
                let place = WorkflowEndpoint::place(&address);
                let sealed = sealer.seal(&key, ctx.tenant(), place, &secret)?;
                let mut made = WorkflowEndpoint {
                    id: address,
                    workflow: id,
                    sealed,
                    previous: None,
                    created_at: now,
                    updated_at: now,
                };
                let done = match before {
                    None => tx.insert_workflow_endpoint(&ctx, &made).await?,
                    Some(before) => {
                        made.created_at = before.created_at;
                        let place = WorkflowEndpoint::place(&before.id);
                        let old = open(tx, &ctx, &sealer, place, &before.sealed).await?;
                        let place = WorkflowEndpoint::previous_place(&before.id);
                        let old = sealer.seal(&key, ctx.tenant(), place, &old)?;
                        let until = now.plus_secs(SIGN_ALONG_SECS);
                        let rotation = Rotation {
                            before: &before.sealed,
                            sealed: &made.sealed,
                            previous: (&old, until),
                        };
                        let done = tx.rotate_workflow_endpoint(&ctx, &before.id, rotation).await?;
                        made.previous = Some((old, until));
                        done
                    }
                };
                if !done {
                    let detail = "Someone else changed the address at the same time.";
                    return Err(Error::new(Code::Conflict, detail));
                }
                let detail = json!({ "endpoint": made.id });
                let action = "workflow.endpoint_secret_made";
                tx.audit(&ctx, action, made.workflow.as_str(), detail).await?;
                Ok((made, secret))
            })
        })
        .await
}

/// The address of a workflow.
///
/// # Errors
/// `not_found` when it has none.
pub async fn find(
    parts: &Parts,
    ctx: &TenantCtx,
    workflow: &WorkflowRow,
) -> Result<WorkflowEndpoint> {
    let found = parts.store.read().await?.endpoint_of_workflow(ctx, &workflow.id).await?;
    found.ok_or_else(|| Error::not_found("address of the workflow"))
}

/// Takes the address of a workflow away.
///
/// # Errors
/// `not_found` when it has none.
pub async fn delete(parts: &Parts, ctx: &TenantCtx, workflow: &WorkflowRow) -> Result<()> {
    let (ctx, id) = (ctx.clone(), workflow.id.clone());
    parts
        .store
        .write(move |tx| {
            Box::pin(async move {
                if !tx.delete_workflow_endpoint(&ctx, &id).await? {
                    return Err(Error::not_found("address of the workflow"));
                }
                let action = "workflow.endpoint_deleted";
                tx.audit(&ctx, action, id.as_str(), Value::Null).await
            })
        })
        .await
}

fn no_endpoint() -> Error {
    Error::new(
        Code::Conflict,
        "This workflow takes no calls. Give it the trigger {\"type\": \"webhook\", \"config\": \
         {\"endpoint\": {}}} first.",
    )
}

/// A secret that someone brings along, if calls can be verified with it.
fn checked(endpoint: &Endpoint, secret: SecretString, env: &Env) -> Result<SecretString> {
    use secrecy::ExposeSecret;
    if !SECRET_BYTES.contains(&secret.expose_secret().len()) {
        let (least, most) = (SECRET_BYTES.start(), SECRET_BYTES.end());
        return Err(Error::invalid("secret", format!("must be {least} to {most} bytes.")));
    }
    if endpoint.signature == Signature::Standard {
        webhook::sign(std::slice::from_ref(&secret), "check", env.now(), b"")?;
    }
    Ok(secret)
}
