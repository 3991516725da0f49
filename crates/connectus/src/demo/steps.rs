//! What a newcomer would do first, step by step: connect, sync, automate, watch.

use connectus_core::{Error, Result};
use connectus_sandbox::{HubspotEvent, ObjectType, Running};
use serde_json::{Value, json};

use super::calls::Calls;

const HUBSPOT: &str = "HubSpot (sandbox)";
const SLACK: &str = "Slack (sandbox)";
const FLOW: &str = "Contacts Sync";
const WORKFLOW: &str = "New Lead Alert";

/// The lead that fires the workflow.
const LEAD: [(&str, &str); 3] =
    [("email", "amina.diallo@example.com"), ("firstname", "Amina"), ("lastname", "Diallo")];
/// The delivery's own number: the same at every start, so that it fires once.
const LEAD_EVENT: u64 = 8360;

/// Takes the steps that were not taken yet.
pub async fn take(calls: &Calls, fakes: &Running) -> Result<()> {
    let keys = fakes.handle.keys();
    let hubspot = json!({
        "provider": "hubspot",
        "name": HUBSPOT,
        "auth_credentials": {
            "access_token": keys.hubspot_token,
            "client_secret": keys.hubspot_client_secret,
        },
        "settings": { "base_url": fakes.hubspot_base_url },
    });
    let slack = json!({
        "provider": "slack",
        "name": SLACK,
        "auth_credentials": { "access_token": keys.slack_token },
        "settings": { "base_url": fakes.slack_base_url },
    });
    let hubspot = connect(calls, hubspot).await?;
    connect(calls, slack).await?;
    sync(calls, &hubspot).await?;
    automate(calls).await?;
    tell_of_a_lead(calls, fakes, &hubspot).await
}

/// An integration with a fake, at the address the fake has today.
async fn connect(calls: &Calls, wanted: Value) -> Result<Value> {
    let known = find(calls, "integrations", &wanted["name"]).await?;
    let integration = match known {
        None => calls.post("/api/v1/integrations", &wanted).await?,
        Some(known) if known["settings"]["base_url"] == wanted["settings"]["base_url"] => known,
        Some(known) => {
            let change = json!({
                "settings": wanted["settings"],
                "auth_credentials": wanted["auth_credentials"],
            });
            calls.patch(&format!("/api/v1/integrations/{}", id(&known)?), &change).await?
        }
    };
    let test = format!("/api/v1/integrations/{}/test_connection", id(&integration)?);
    calls.post(&test, &json!({})).await?;
    Ok(integration)
}

async fn sync(calls: &Calls, hubspot: &Value) -> Result<()> {
    let flow = match find(calls, "data-flows", &json!(FLOW)).await? {
        Some(known) => known,
        None => {
            let new = json!({
                "integration": id(hubspot)?,
                "name": FLOW,
                "direction": "inbound",
                "source_fields": ["email", "firstname", "lastname"],
                "target_fields": ["email", "firstName", "lastName"],
                "sync_frequency": "hourly",
            });
            calls.post("/api/v1/data-flows", &new).await?
        }
    };
    let sync = format!("/api/v1/data-flows/{}/sync", id(&flow)?);
    calls.post(&sync, &json!({})).await.map(drop)
}

async fn automate(calls: &Calls) -> Result<()> {
    if find(calls, "workflows", &json!(WORKFLOW)).await?.is_some() {
        return Ok(());
    }
    let new = json!({
        "name": WORKFLOW,
        "trigger_type": "webhook",
        "trigger_config": { "event": "contact.creation" },
        "actions": [
            { "type": "create_contact", "target": "digisol_crm" },
            { "type": "send_notification", "channel": "slack" },
        ],
    });
    calls.post("/api/v1/workflows", &new).await.map(drop)
}

/// Someone enters a contact in HubSpot, and HubSpot tells us.
async fn tell_of_a_lead(calls: &Calls, fakes: &Running, hubspot: &Value) -> Result<()> {
    let contact = fakes.handle.add(ObjectType::Contacts, &LEAD)?;
    let url = hubspot["webhook_url"].as_str();
    let url = url.ok_or_else(|| Error::internal("the HubSpot integration has no address"))?;
    let event = HubspotEvent::new("contact.creation", contact, LEAD_EVENT);
    calls.deliver(&fakes.handle.hubspot_webhook(url, &[event])).await.map(drop)
}

/// The first object of a list that has a name.
async fn find(calls: &Calls, list: &str, name: &Value) -> Result<Option<Value>> {
    let all = calls.get(&format!("/api/v1/{list}?limit=200")).await?;
    let items = all["items"].as_array().into_iter().flatten();
    Ok(items.into_iter().find(|item| item["name"] == *name).cloned())
}

fn id(object: &Value) -> Result<&str> {
    object["id"].as_str().ok_or_else(|| Error::internal("an object without an id"))
}
