//! The flat form of a workflow: a trigger, a list of actions, conditions.
//!
//! ```json
//! {"name": "New Lead Alert", "trigger_type": "webhook",
//!  "trigger_config": {"event": "contact.creation"},
//!  "actions": [{"type": "create_contact", "target": "digisol_crm"},
//!              {"type": "send_notification", "channel": "slack"}]}
//! ```

mod condition;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    Call, DEFINITION_VERSION, Definition, Kind, Step, Trigger, TriggerType, no_such_action,
    typed::Fields,
};
use crate::{Error, Result, error::FieldError};

/// The collection provider that lives inside Connectus.
const BUILT_IN_CRM: &str = "digisol_crm";

/// Short types and the objects of the built-in CRM they write.
const CRM_WRITES: [(&str, &str); 9] = [
    ("create_contact", "contacts"),
    ("update_contact", "contacts"),
    ("upsert_contact", "contacts"),
    ("create_company", "companies"),
    ("update_company", "companies"),
    ("upsert_company", "companies"),
    ("create_deal", "deals"),
    ("update_deal", "deals"),
    ("upsert_deal", "deals"),
];

/// Where an entry names its action.
const TYPE: &str = "/type";

/// The members an entry that writes to the built-in CRM may have.
const WRITE_MEMBERS: [&str; 6] = ["type", "target", "record", "fields", "data", "name"];

/// The action that loads what a webhook event is about: many carry an id only.
const LOAD: &str = "trigger.record";

/// The key under which a data flow keeps the same record: `hubspot:101`.
const SOURCE_KEY: &str =
    "trigger.provider ~ ':' ~ trigger.object_id if trigger.object_id|default('') else none";

/// Where the record that came in is found, as an expression.
#[derive(Clone, Copy)]
enum Record {
    /// Loaded by a first step.
    Loaded,
    /// Inside the input, or the input itself.
    Given,
}

impl Record {
    const fn whole(self) -> &'static str {
        match self {
            Self::Loaded => "steps.record.output",
            Self::Given => "trigger.record|default(trigger)",
        }
    }

    const fn email(self) -> &'static str {
        match self {
            Self::Loaded => "steps.record.output.email|default('new event')",
            Self::Given => "trigger.record.email|default(trigger.email|default('new event'))",
        }
    }
}

/// A workflow in the flat form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LegacyWorkflow {
    /// What people call it.
    pub name: String,
    /// `webhook`, `schedule` (or `scheduled`), `condition`, `manual`.
    pub trigger_type: String,
    /// Details of the trigger.
    #[serde(default)]
    pub trigger_config: Map<String, Value>,
    /// What it does, in order.
    #[serde(default)]
    pub actions: Vec<Map<String, Value>>,
    /// What must hold: `{field: value}`, or a list of `{field, operator, value}`.
    #[serde(default)]
    pub conditions: Value,
}

impl LegacyWorkflow {
    /// The same workflow as a definition. `actions` are the names of all actions there are.
    ///
    /// # Errors
    /// `invalid` naming every unknown trigger, action, channel, field and operator. Where an action
    /// is unknown, its member `known_actions` lists those there are.
    pub fn to_definition(&self, actions: &[&str]) -> Result<Definition> {
        let mut faults = Vec::new();
        let kind = match self.trigger_type.as_str() {
            "scheduled" => Some(TriggerType::Schedule),
            other => match other.parse() {
                Ok(kind) => Some(kind),
                Err(_) => {
                    let known: Vec<&str> =
                        TriggerType::ALL.iter().map(|kind| kind.name()).collect();
                    let message = format!("`{other}` is none of {}", known.join(", "));
                    faults.push(FieldError { field: "/trigger_type".into(), message });
                    None
                }
            },
        };
        let when = condition::expression(&self.conditions).unwrap_or_else(|mut fault| {
            faults.append(&mut fault);
            None
        });
        if self.actions.is_empty() {
            let message = "a workflow needs at least one action".to_owned();
            faults.push(FieldError { field: "/actions".into(), message });
        }
        let loads = kind == Some(TriggerType::Webhook) && actions.contains(&LOAD);
        let record = if loads { Record::Loaded } else { Record::Given };
        let types = types(actions);
        let mut names_wanted = false;
        let mut steps = Vec::with_capacity(self.actions.len() + 1);
        steps.extend(loads.then(load));
        for (index, action) in self.actions.iter().enumerate() {
            match self.call(action, actions, &types, record) {
                Ok((kind, call)) => steps.push(step(&steps, kind, call)),
                Err((field, message)) => {
                    names_wanted |= field == TYPE;
                    faults.push(FieldError { field: format!("/actions/{index}{field}"), message });
                }
            }
        }
        match (kind, faults.is_empty()) {
            (Some(kind), true) => Ok(Definition {
                version: DEFINITION_VERSION,
                name: self.name.clone(),
                description: None,
                queue: None,
                priority: 0,
                concurrency: None,
                trigger: Trigger { kind, config: self.trigger_config.clone(), when },
                inputs: Fields::new(),
                outputs: Fields::new(),
                vars: Map::new(),
                steps,
                output: None,
            }),
            _ if names_wanted => Err(Error::invalid_fields(faults).with("known_actions", types)),
            _ => Err(Error::invalid_fields(faults)),
        }
    }

    /// The action an entry stands for: its type and the call, or the fault (field, message).
    fn call(
        &self,
        entry: &Map<String, Value>,
        known: &[&str],
        types: &[&str],
        record: Record,
    ) -> Result<(String, Call), (&'static str, String)> {
        let text = |key: &str| entry.get(key).and_then(Value::as_str);
        let Some(kind) = text("type") else {
            return Err((TYPE, "name the action; `known_actions` are those there are.".to_owned()));
        };
        let object = CRM_WRITES.iter().find(|(name, _)| *name == kind).map(|(_, object)| *object);
        let (action, input) = match (kind, object) {
            ("send_notification", _) => match text("channel") {
                Some("slack") => ("slack.post_message".to_owned(), self.message(entry, record)),
                Some(other) => {
                    return Err(("/channel", format!("`{other}` is unknown; there is slack")));
                }
                None => return Err(("/channel", "name a channel; there is slack".to_owned())),
            },
            (_, Some(object)) => match text("target").unwrap_or(BUILT_IN_CRM) {
                BUILT_IN_CRM => ("collection.upsert".to_owned(), write(entry, object, record)?),
                provider => (format!("{provider}.{kind}"), own_members(entry)),
            },
            (other, None) => (other.to_owned(), own_members(entry)),
        };
        if !known.contains(&action.as_str()) {
            return Err((TYPE, no_such_action(&action, types)));
        }
        let connection = text("connection").map(str::to_owned);
        Ok((kind.to_owned(), Call { action, input, connection }))
    }

    /// The input of a chat message: what the entry says, or a line that names the record.
    fn message(&self, entry: &Map<String, Value>, record: Record) -> Value {
        let mut input = own_members(entry);
        let Value::Object(members) = &mut input else { return input };
        members.remove("channel");
        for (given, meant) in [("to", "channel"), ("recipient", "channel"), ("message", "text")] {
            if let Some(value) = members.remove(given) {
                members.entry(meant).or_insert(value);
            }
        }
        members.entry("text").or_insert_with(|| {
            let name = condition::literal(&Value::from(self.name.as_str()));
            let who = record.email();
            json!(format!("{{{{ {name} }}}}: {{{{ {who} }}}}"))
        });
        input
    }
}

/// The input of a write into the built-in CRM.
fn write(
    entry: &Map<String, Value>,
    object: &str,
    from: Record,
) -> Result<Value, (&'static str, String)> {
    let unknown = entry.keys().find(|key| !WRITE_MEMBERS.contains(&key.as_str()));
    if let Some(unknown) = unknown {
        let known = WRITE_MEMBERS.join(", ");
        return Err(("", format!("`{unknown}` is unknown here; there are {known}")));
    }
    let given = ["record", "fields", "data"].iter().find_map(|key| entry.get(*key)).cloned();
    let collection = format!("{BUILT_IN_CRM}/{object}");
    Ok(match (given, from) {
        (Some(record), _) => json!({ "collection": collection, "record": record }),
        (None, Record::Given) => {
            json!({ "collection": collection, "record": format!("{{{{ {} }}}}", from.whole()) })
        }
        (None, Record::Loaded) => json!({
            "collection": collection,
            "record": format!("{{{{ {} }}}}", from.whole()),
            "key": format!("{{{{ {SOURCE_KEY} }}}}"),
        }),
    })
}

/// What an entry gives to its action: everything that does not choose the action.
fn own_members(entry: &Map<String, Value>) -> Value {
    if let Some(input) = entry.get("input") {
        return input.clone();
    }
    let chooses = |key: &String| matches!(key.as_str(), "type" | "target" | "connection" | "name");
    let own = entry.iter().filter(|(key, _)| !chooses(key));
    Value::Object(own.map(|(key, value)| (key.clone(), value.clone())).collect())
}

/// The first step of a workflow that a webhook starts.
fn load() -> Step {
    let call = Call { action: LOAD.to_owned(), input: Value::Null, connection: None };
    Step { id: "record".to_owned(), ..step(&[], "Load the record".to_owned(), call) }
}

/// A step named after its type, numbered when the type is there already.
fn step(before: &[Step], kind: String, call: Call) -> Step {
    let base: String =
        kind.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let same = before.iter().filter(|step| step.name.as_ref() == Some(&kind)).count();
    Step {
        id: if same == 0 { base } else { format!("{base}_{}", same + 1) },
        name: Some(kind),
        kind: Kind::Action(call),
        when: None,
        retry: None,
        timeout: None,
        continue_on_error: false,
        on_error: Vec::new(),
        skip: false,
        compensate: None,
    }
}

/// Everything that an entry's `type` may be.
fn types<'a>(known: &[&'a str]) -> Vec<&'a str> {
    let short = CRM_WRITES.iter().map(|(name, _)| *name).chain(["send_notification"]);
    short.chain(known.iter().copied()).collect()
}

#[cfg(test)]
mod tests;
