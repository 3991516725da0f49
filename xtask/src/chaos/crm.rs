//! The sandbox's HubSpot, Slack and Salesforce, changed and read as their own users would.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::book::{Book, Delivery};
use crate::{
    api::text,
    command::Outcome,
    organisation::{hubspot, hubspot_contacts, hubspot_request},
    random::Random,
    sandbox::SandboxProcess,
};

/// Contacts edited before each round.
const EDITS: usize = 3;
/// Contacts that come new before each round.
const NEW: usize = 3;
/// Where event numbers begin.
const FIRST_EVENT: u64 = 7_000_000;
/// Messages of a round that Slack answers late, so that kills find calls whose effect is there.
const LATE: usize = 3;
/// Batches of a round that Salesforce answers late.
const LATE_BATCHES: usize = 2;
/// By how many milliseconds at most.
const LATE_MS: u64 = 60;

/// A contact as HubSpot has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Its address.
    pub email: String,
    /// First and last name.
    pub names: [String; 2],
}

/// The fakes of a drill.
#[derive(Debug)]
pub struct Crm<'a> {
    /// The fakes.
    pub sandbox: &'a SandboxProcess,
    ids: Vec<String>,
}

impl<'a> Crm<'a> {
    /// Learns which contacts there are.
    ///
    /// # Errors
    /// When the sandbox does not answer.
    pub fn open(sandbox: &'a SandboxProcess) -> Outcome<Self> {
        let mut crm = Self { sandbox, ids: Vec::new() };
        crm.ids = crm.contacts()?.into_keys().collect();
        Ok(crm)
    }

    /// A day's work in HubSpot: some contacts change, some are new. New ones are told by webhook.
    ///
    /// # Errors
    /// When the sandbox refuses.
    pub fn change(&mut self, random: &mut Random, book: &mut Book) -> Outcome {
        for _ in 0..EDITS {
            let index = usize::try_from(random.below(self.ids.len() as u64)).unwrap_or(0);
            let Some(id) = self.ids.get(index) else { continue };
            let body = json!({ "properties": { "firstname": format!("Edit{}", random.next()) } });
            let path = format!("/crm/v3/objects/contacts/{id}");
            hubspot(self.sandbox, &hubspot_request("PATCH", path, Some(&body)))?;
        }
        for _ in 0..NEW {
            let number = book.deliveries.len();
            let email = format!("new-lead-{number}@example.com");
            let new =
                json!({ "email": email, "firstname": "New", "lastname": format!("L{number}") });
            let made = self.sandbox.control("POST", "/_sandbox/contacts", Some(&new))?;
            let contact = made.get("id").and_then(Value::as_u64).ok_or("no id of a contact")?;
            self.ids.push(contact.to_string());
            let event = FIRST_EVENT + number as u64;
            book.deliveries.push(Delivery { event, contact, email, acknowledged: false });
        }
        self.sandbox.control("DELETE", "/_sandbox/faults", None)?;
        for _ in 0..LATE {
            self.sandbox.script(&json!({
                "method": "POST", "path_prefix": "/api/chat.postMessage", "after_effect": true,
                "kind": { "name": "delay", "millis": random.below(LATE_MS) },
            }))?;
        }
        for _ in 0..LATE_BATCHES {
            self.sandbox.script(&json!({
                "method": "PATCH", "path_prefix": "/services/data", "after_effect": true,
                "kind": { "name": "delay", "millis": random.below(LATE_MS) },
            }))?;
        }
        Ok(())
    }

    /// First names of the contacts that Salesforce was sent, by the address they were sent under.
    ///
    /// # Errors
    /// When the sandbox does not answer.
    pub fn sent(&self) -> Outcome<BTreeMap<String, Vec<String>>> {
        let all = self.sandbox.control("GET", "/_sandbox/salesforce-contacts", None)?;
        let mut sent: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for one in all.as_array().into_iter().flatten() {
            // Those that were there before carry no address.
            if let Some(key) = one.get("key").and_then(Value::as_str) {
                sent.entry(key.to_owned()).or_default().push(text(one, "first_name").to_owned());
            }
        }
        Ok(sent)
    }

    /// All contacts by identifier.
    ///
    /// # Errors
    /// When the sandbox does not answer.
    pub fn contacts(&self) -> Outcome<BTreeMap<String, Contact>> {
        let contact = |row: &Value| {
            let value = |name| text(row.get("properties").unwrap_or(&Value::Null), name).to_owned();
            let names = [value("firstname"), value("lastname")];
            (text(row, "id").to_owned(), Contact { email: value("email"), names })
        };
        Ok(hubspot_contacts(self.sandbox)?.iter().map(contact).collect())
    }
}
