//! `/_sandbox/...`: lets the process that started this one inspect it and script faults.
//! Off unless asked for.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    fault::Fault, handle::Handle, hubspot::ObjectType, salesforce::SalesforceType,
    webhook::HubspotEvent, world::World,
};

pub(crate) fn router(world: &Arc<World>) -> Router {
    Router::new()
        .route("/_sandbox/state", get(state))
        .route("/_sandbox/effects", get(effects))
        .route("/_sandbox/messages", get(messages))
        .route("/_sandbox/faults", post(fault).delete(clear_faults))
        .route("/_sandbox/contacts", post(add_contact))
        .route("/_sandbox/salesforce-contacts", get(salesforce_contacts))
        .route("/_sandbox/hubspot-webhook", post(hubspot_webhook))
        .with_state(Handle::new(Arc::clone(world)))
}

async fn state(State(handle): State<Handle>) -> Json<Value> {
    let counts: Map<_, _> = ObjectType::ALL
        .into_iter()
        .map(|object_type| (object_type.name().to_owned(), handle.count(object_type).into()))
        .collect();
    Json(json!({
        "records": counts,
        "messages": handle.messages().len(),
        "calls": handle.call_count(),
        "calls_by_status": handle.calls_by_status(),
        "calls_by_path": handle.calls_by_path(),
        "effects": handle.effect_summary(),
        "pending_faults": handle.pending_faults(),
    }))
}

async fn effects(State(handle): State<Handle>) -> Json<Value> {
    let all = handle.effects().into_iter().map(|(provider, key, count)| {
        json!({
            "provider": provider,
            "key": key,
            "calls": count.calls,
            "effects": count.effects,
        })
    });
    Json(all.collect())
}

async fn messages(State(handle): State<Handle>) -> Json<Value> {
    Json(json!(handle.messages()))
}

async fn fault(State(handle): State<Handle>, Json(fault): Json<Fault>) -> StatusCode {
    handle.fault(fault);
    StatusCode::NO_CONTENT
}

async fn clear_faults(State(handle): State<Handle>) -> StatusCode {
    handle.clear_faults();
    StatusCode::NO_CONTENT
}

async fn salesforce_contacts(State(handle): State<Handle>) -> Json<Value> {
    let kind = SalesforceType::Contact;
    let contact = |id: String| {
        let value = |field| handle.salesforce_value(kind, &id, field);
        json!({ "key": value("External_Id__c"), "first_name": value("FirstName"), "id": &id })
    };
    Json(handle.salesforce_ids(kind).into_iter().map(contact).collect())
}

async fn add_contact(
    State(handle): State<Handle>,
    Json(properties): Json<Map<String, Value>>,
) -> Result<Json<Value>, (StatusCode, String)> {
    let pairs: Vec<_> = properties
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
        .collect();
    let id = handle.add(ObjectType::Contacts, &pairs);
    let id = id.map_err(|error| (StatusCode::BAD_REQUEST, error.detail))?;
    Ok(Json(json!({"id": id})))
}

#[derive(Debug, Deserialize)]
struct WebhookOrder {
    url: String,
    subscription_type: String,
    object_id: u64,
    event_id: u64,
    #[serde(default)]
    client_secret: Option<String>,
}

/// A signed delivery for the caller to post.
async fn hubspot_webhook(
    State(handle): State<Handle>,
    Json(order): Json<WebhookOrder>,
) -> Json<Value> {
    let event = HubspotEvent::new(&order.subscription_type, order.object_id, order.event_id);
    let secret = order.client_secret.as_ref().unwrap_or(&handle.keys().hubspot_client_secret);
    let webhook = handle.hubspot_webhook_with(&order.url, secret, &[event]);
    Json(json!({
        "method": webhook.method,
        "url": webhook.url,
        "headers": webhook.headers.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
        "body": webhook.body,
    }))
}
