//! `event` and `workflow`: what happens inside Connectus starts a run.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    Error, Result,
    delivery::check_events,
    event::{Event, EventType},
    named::named,
};

/// Which events start a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventWatch {
    /// Names, prefixes ending in `.*`, or `*`.
    pub events: Vec<String>,
    /// Only events about this one.
    pub subject: Option<String>,
}

/// The end of which workflow's runs starts a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkflowWatch {
    /// Which workflow, by identifier or name.
    pub workflow: String,
    /// Which ends count.
    pub on: Vec<Ending>,
}

named! {
    /// How a run ends.
    pub enum Ending as "on" {
        /// Well.
        Completed = "completed",
        /// Badly.
        Failed = "failed",
        /// Stopped by someone.
        Cancelled = "cancelled",
    }
}

/// One, or a list of some.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore<T> {
    One(T),
    More(Vec<T>),
}

impl<T> OneOrMore<T> {
    fn list(self) -> Vec<T> {
        match self {
            Self::One(one) => vec![one],
            Self::More(more) => more,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventConfig {
    event: OneOrMore<String>,
    subject: Option<String>,
    #[serde(rename = "dedupe")]
    _dedupe: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WorkflowConfig {
    workflow: String,
    on: Option<OneOrMore<Ending>>,
    #[serde(rename = "dedupe")]
    _dedupe: Option<String>,
}

fn read<T: serde::de::DeserializeOwned>(config: &Map<String, Value>) -> Result<T> {
    T::deserialize(Value::Object(config.clone()))
        .map_err(|error| Error::invalid("", error.to_string()))
}

impl EventWatch {
    pub(super) fn read(config: &Map<String, Value>) -> Result<Self> {
        if !config.contains_key("event") {
            let message =
                "name one, such as \"run.failed\", a family such as \"flow.*\", or a list";
            return Err(Error::invalid("event", message));
        }
        let EventConfig { event, subject, .. } = read(config)?;
        let events = event.list();
        check_events(&events).map_err(|error| {
            let detail = error.fields.into_iter().next().map(|fault| fault.message);
            Error::invalid("event", detail.unwrap_or(error.detail))
        })?;
        Ok(Self { events, subject })
    }

    /// Whether an event starts a run.
    pub fn covers(&self, event: &Event) -> bool {
        self.events.iter().any(|pattern| event.kind.matches(pattern))
            && self.subject.as_ref().is_none_or(|subject| *subject == event.subject)
    }
}

impl WorkflowWatch {
    pub(super) fn read(config: &Map<String, Value>) -> Result<Self> {
        if !config.contains_key("workflow") {
            let message = "name the workflow whose end starts this one, by name or id";
            return Err(Error::invalid("workflow", message));
        }
        let WorkflowConfig { workflow, on, .. } = read(config)?;
        let on = on.map_or_else(|| vec![Ending::Completed], OneOrMore::list);
        if on.is_empty() {
            return Err(Error::invalid("on", "name at least one way to end"));
        }
        Ok(Self { workflow, on })
    }

    /// Whether an event tells of an end that counts, of whichever workflow.
    pub fn covers(&self, kind: EventType) -> bool {
        self.on.iter().any(|ending| {
            kind == match ending {
                Ending::Completed => EventType::RunCompleted,
                Ending::Failed => EventType::RunFailed,
                Ending::Cancelled => EventType::RunCancelled,
            }
        })
    }
}
