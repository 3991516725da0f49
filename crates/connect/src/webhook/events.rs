//! The events of a verified delivery.

use connectus_core::{
    Code, Error, Result, Timestamp, canonical,
    provider::{TimeUnit, Triggers},
};
use serde_json::{Map, Value};

use crate::{path::JsonPath, plan::TimeFormat};

/// Most events of one delivery. HubSpot sends up to 100.
pub const MAX_EVENTS: usize = 1_000;

/// Longest identifier or name of an event, in bytes.
const MAX_WORD_BYTES: usize = 512;

/// An event of a verified delivery.
#[derive(Clone, Debug, PartialEq)]
pub struct InboundEvent {
    /// The provider's id, for deduplication.
    pub id: String,
    /// Its name after the pack's renaming: `contact.creation`.
    pub name: String,
    /// When it happened, where the provider says.
    pub occurred_at: Option<Timestamp>,
    /// The id of the thing it is about.
    pub object_id: Option<String>,
    /// The event as sent.
    pub payload: Value,
}

/// The events of a verified delivery: JSON, or a form as Mailchimp sends it.
///
/// # Errors
/// `bad_request` when the body is not what the pack describes.
pub fn events(triggers: &Triggers, body: &[u8]) -> Result<Vec<InboundEvent>> {
    let mut body = match serde_json::from_slice::<Value>(body) {
        Ok(body) => body,
        Err(error) => read_form(body).ok_or_else(|| {
            let detail = "The delivery's body is neither JSON nor a form.";
            Error::new(Code::BadRequest, detail).caused_by(error)
        })?,
    };
    let path = JsonPath::new(&triggers.envelope.events);
    let listed = match path.take(&mut body) {
        Some(Value::Array(items)) => items,
        Some(single @ Value::Object(_)) => vec![single],
        _ => return Err(Error::new(Code::BadRequest, "The delivery holds no events.")),
    };
    if listed.len() > MAX_EVENTS {
        let detail = format!("The delivery holds {} events; at most {MAX_EVENTS}.", listed.len());
        return Err(Error::new(Code::BadRequest, detail));
    }
    let reader = Reader::new(triggers);
    listed.into_iter().map(|payload| reader.read(payload)).collect()
}

struct Reader<'a> {
    triggers: &'a Triggers,
    id: Vec<JsonPath>,
    name: JsonPath,
    occurred_at: Option<JsonPath>,
    object_id: Option<JsonPath>,
}

impl<'a> Reader<'a> {
    fn new(triggers: &'a Triggers) -> Self {
        let envelope = &triggers.envelope;
        let path = |text: &Option<String>| text.as_deref().map(JsonPath::new);
        Self {
            triggers,
            id: envelope.id.all().map(JsonPath::new).collect(),
            name: JsonPath::new(&envelope.name),
            occurred_at: path(&envelope.occurred_at),
            object_id: path(&envelope.object_id),
        }
    }

    fn read(&self, payload: Value) -> Result<InboundEvent> {
        let need = |path: &JsonPath, what: &str| {
            path.text(&payload).filter(|text| is_word(text)).ok_or_else(|| {
                Error::new(Code::BadRequest, format!("An event of the delivery has no {what}."))
            })
        };
        let id = match self.id.as_slice() {
            [only] => need(only, "id")?,
            several => {
                let found: Vec<_> = several.iter().filter_map(|path| path.text(&payload)).collect();
                // Together they may be long, and the text of a stranger: a digest is neither.
                let named = !found.is_empty();
                let digest = canonical::Digest::of(found.join("\u{1f}").as_bytes()).to_string();
                Some(digest).filter(|_| named).ok_or_else(|| {
                    Error::new(Code::BadRequest, "An event of the delivery has no id.")
                })?
            }
        };
        let name = match self.renamed(&payload) {
            Some(name) => name,
            None => need(&self.name, "name")?,
        };
        let object_id = self.object_id.as_ref().and_then(|path| path.text(&payload));
        let object_id = object_id.filter(|text| is_word(text));
        let occurred_at = self.occurred_at.as_ref().and_then(|path| self.time(path.get(&payload)?));
        Ok(InboundEvent { id, name, occurred_at, object_id, payload })
    }

    fn renamed(&self, payload: &Value) -> Option<String> {
        let rules = &self.triggers.envelope.rename;
        let holds = |path: &str, value: &str| {
            JsonPath::new(path).text(payload).is_some_and(|found| found == value)
        };
        let rule =
            rules.iter().find(|rule| rule.when.iter().all(|(path, value)| holds(path, value)));
        rule.map(|rule| rule.name.clone())
    }

    fn time(&self, value: &Value) -> Option<Timestamp> {
        let Some(number) = value.as_i64() else { return TimeFormat::Rfc3339.read(value) };
        Some(match self.triggers.envelope.occurred_unit {
            TimeUnit::Seconds => Timestamp::from_secs(number),
            TimeUnit::Milliseconds => Timestamp::from_millis(number),
        })
    }
}

/// Whether a text can be an identifier or a name: a database keeps it, a person can read it.
fn is_word(text: &str) -> bool {
    (1..=MAX_WORD_BYTES).contains(&text.len()) && !text.contains(char::is_control)
}

/// The fields of a form or of an address's query.
pub fn form_fields(bytes: &[u8]) -> Map<String, Value> {
    let pairs = url::form_urlencoded::parse(bytes);
    pairs.map(|(key, value)| (key.into_owned(), value.into_owned().into())).collect()
}

/// Fields as the text of a form.
pub fn form_text(fields: &[(String, String)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// A form as an object of texts; `data[email]` keeps its name. A `payload` field that holds JSON
/// (Slack's interactive messages) is the body.
fn read_form(body: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(body).ok().filter(|text| text.contains('='))?;
    let map = form_fields(text.as_bytes());
    if let Some(payload) = map.get("payload").and_then(Value::as_str) {
        return serde_json::from_str(payload).ok();
    }
    Some(Value::Object(map))
}
