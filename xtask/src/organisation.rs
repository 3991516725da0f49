//! A tenant whose HubSpot and Slack are the sandbox's.

use serde_json::{Value, json};

use crate::{
    api::{Api, json, text},
    command::Outcome,
    http::{Answer, Request, send},
    installation::Installation,
    sandbox::SandboxProcess,
};

/// The collection that contacts are synced to.
pub const CONTACTS: &str = "/api/v1/collections/digisol_crm/contacts/records";
/// What HubSpot's webhooks are signed for. The server listens on another port after each start; a
/// provider knows one address.
pub const PUBLIC_URL: &str = "http://connectus.test";
/// What the sandbox's HubSpot takes.
const HUBSPOT_TOKEN: &str = "sandbox-hubspot-token";

/// A tenant with an API key.
#[derive(Clone, Debug)]
pub struct Organisation {
    /// The tenant's identifier.
    pub tenant: String,
    /// A key with the rights of its owner.
    pub token: String,
}

/// What a tenant has connected.
#[derive(Clone, Debug)]
pub struct Connected {
    /// The HubSpot integration.
    pub hubspot: String,
    /// Where HubSpot delivers webhooks, without the server's address.
    pub hook: String,
}

/// Opens an installation's way to the sandbox and to these addresses, and to nothing else on this
/// machine.
pub fn allow(installation: &mut Installation, sandbox: &SandboxProcess, others: &[&str]) {
    let bare = |url: &str| url.trim_start_matches("http://").to_owned();
    let mut open = vec![bare(&sandbox.hubspot), bare(&sandbox.slack), bare(&sandbox.salesforce)];
    open.extend(others.iter().map(|other| (*other).to_owned()));
    installation.set("CONNECTUS_EGRESS_ALLOW", open.join(","));
    installation.set("CONNECTUS_PUBLIC_URL", PUBLIC_URL);
}

impl Organisation {
    /// Makes a tenant and a key with the command line.
    ///
    /// # Errors
    /// What the commands say.
    pub fn create(installation: &Installation) -> Outcome<Self> {
        let tenant = installation.ask(&["tenant", "create", "Drill"])?;
        let tenant = text(&tenant, "id").to_owned();
        let options = ["token", "create", "--tenant", &tenant, "--role", "owner"];
        let token = text(&installation.ask(&options)?, "token").to_owned();
        Ok(Self { tenant, token })
    }

    /// A way to a server for this tenant.
    pub fn api(&self, base_url: &str) -> Api {
        Api::new(base_url, &self.token)
    }
}

impl Connected {
    /// Connects HubSpot and Slack.
    ///
    /// # Errors
    /// What the API says.
    pub fn create(api: &mut Api, sandbox: &SandboxProcess) -> Outcome<Self> {
        let secrets = json!({
            "access_token": HUBSPOT_TOKEN, "client_secret": "sandbox-hubspot-secret",
        });
        let hubspot = integrate(api, "hubspot", &sandbox.hubspot, &secrets)?;
        let secrets = json!({ "access_token": "xoxb-sandbox-token" });
        integrate(api, "slack", &sandbox.slack, &secrets)?;
        let hook = text(&hubspot, "webhook_url").strip_prefix(PUBLIC_URL).unwrap_or_default();
        if hook.is_empty() {
            return Err(format!("the integration has no address for webhooks: {hubspot}"));
        }
        Ok(Self { hubspot: text(&hubspot, "id").to_owned(), hook: hook.to_owned() })
    }

    /// A data flow that keeps contacts, started by hand only.
    ///
    /// # Errors
    /// What the API says.
    pub fn contacts_flow(&self, api: &mut Api) -> Outcome<String> {
        let flow = api.create(
            "/api/v1/data-flows",
            &json!({
                "integration": self.hubspot,
                "name": "Contacts Sync",
                "direction": "inbound",
                "source_fields": ["email", "firstname", "lastname"],
                "target_fields": ["email", "firstName", "lastName"],
                "transformation_rules": {},
                "sync_frequency": "weekly",
                "conflict_policy": "source_wins",
            }),
        )?;
        Ok(text(&flow, "id").to_owned())
    }

    /// A data flow that sends the kept contacts on to Salesforce, started by hand only.
    ///
    /// # Errors
    /// What the API says.
    pub fn salesforce_flow(&self, api: &mut Api, sandbox: &SandboxProcess) -> Outcome<String> {
        let secrets = json!({
            "client_id": "sandbox-salesforce-client",
            "client_secret": "sandbox-salesforce-secret",
            "access_token": "00D!sandbox-salesforce-token",
        });
        let salesforce = integrate(api, "salesforce", &sandbox.salesforce, &secrets)?;
        let flow = api.create(
            "/api/v1/data-flows",
            &json!({
                "integration": text(&salesforce, "id"),
                "name": "Contacts to Salesforce",
                "direction": "outbound",
                "stream": "contacts",
                "destination": "digisol_crm/contacts",
                "source_fields": ["email", "email", "firstName"],
                "target_fields": ["External_Id__c", "LastName", "FirstName"],
                "transformation_rules": {},
                "options": { "match_field": "External_Id__c" },
                "sync_frequency": "weekly",
            }),
        )?;
        Ok(text(&flow, "id").to_owned())
    }

    /// The workflow of the requirements: a new contact is kept and told to Slack.
    ///
    /// # Errors
    /// What the API says.
    pub fn new_lead_alert(&self, api: &mut Api) -> Outcome<String> {
        let workflow = api.create(
            "/api/v1/workflows",
            &json!({
                "integration": self.hubspot,
                "name": "New Lead Alert",
                "trigger_type": "webhook",
                "trigger_config": { "event": "contact.creation" },
                "actions": [
                    { "type": "create_contact", "target": "digisol_crm" },
                    { "type": "send_notification", "channel": "slack" },
                ],
            }),
        )?;
        Ok(text(&workflow, "id").to_owned())
    }

    /// A delivery that tells of a new contact, signed by the sandbox as HubSpot signs.
    ///
    /// # Errors
    /// When the sandbox does not answer.
    pub fn delivery(&self, sandbox: &SandboxProcess, event: u64, contact: u64) -> Outcome<Request> {
        let order = json!({
            "url": format!("{PUBLIC_URL}{}", self.hook),
            "subscription_type": "contact.creation",
            "object_id": contact,
            "event_id": event,
        });
        let signed = sandbox.control("POST", "/_sandbox/hubspot-webhook", Some(&order))?;
        let header =
            |name| (name, text(signed.get("headers").unwrap_or(&Value::Null), name).into());
        let names = [
            "content-type",
            "x-hubspot-signature-v3",
            "x-hubspot-request-timestamp",
            "x-hubspot-signature",
            "x-hubspot-signature-version",
        ];
        Ok(Request {
            method: "POST",
            target: self.hook.clone(),
            headers: names.map(header).to_vec(),
            body: text(&signed, "body").to_owned(),
        })
    }
}

/// Connects a provider whose fake is at this address.
fn integrate(api: &mut Api, provider: &str, base_url: &str, secrets: &Value) -> Outcome<Value> {
    let new = json!({
        "provider": provider,
        "name": provider,
        "auth_credentials": secrets,
        "settings": { "base_url": base_url, "rate_limits": "off" },
    });
    api.create("/api/v1/integrations", &new)
}

/// A request to the sandbox's HubSpot, as its own users would make it.
pub fn hubspot_request(method: &'static str, target: String, body: Option<&Value>) -> Request {
    let headers = vec![
        ("authorization", format!("Bearer {HUBSPOT_TOKEN}")),
        ("content-type", "application/json".into()),
    ];
    Request { method, target, headers, body: body.map(Value::to_string).unwrap_or_default() }
}

/// All contacts of the sandbox's HubSpot, with address and names.
///
/// # Errors
/// When the sandbox does not answer.
pub fn hubspot_contacts(sandbox: &SandboxProcess) -> Outcome<Vec<Value>> {
    let mut rows = Vec::new();
    let mut after = String::new();
    loop {
        let path = format!(
            "/crm/v3/objects/contacts?limit=100&properties=email,firstname,lastname{after}"
        );
        let mut page = json(&hubspot(sandbox, &hubspot_request("GET", path, None))?)?;
        if let Some(Value::Array(found)) = page.get_mut("results").map(Value::take) {
            rows.extend(found);
        }
        let next = page.pointer("/paging/next/after").and_then(Value::as_str);
        let Some(next) = next else { return Ok(rows) };
        after = format!("&after={next}");
    }
}

/// Asks the sandbox's HubSpot.
///
/// # Errors
/// When it refuses.
pub fn hubspot(sandbox: &SandboxProcess, request: &Request) -> Outcome<Answer> {
    let answer = send(&sandbox.hubspot, request)?;
    if answer.status == 200 {
        return Ok(answer);
    }
    Err(format!("the sandbox refused {}: {}", request.target, answer.body))
}
