//! Which fields a log line may have. Logging is by allow-list: a field that is not on it is
//! dropped, so that nobody logs a secret or a person's data by logging too much.

use std::fmt::Debug;

use serde_json::Value;
use tracing::field::{Field, Visit};

/// The fields, in the order in which a line shows them.
const ALLOWED: &[&str] = &[
    "action",
    "service",
    "status",
    "code",
    "error",
    "cause",
    "request",
    "operation",
    "method",
    "path",
    "millis",
    "tenant",
    "actor",
    "event",
    "subject",
    "seq",
    "run",
    "runs",
    "kind",
    "queue",
    "step",
    "attempt",
    "attempts",
    "workflow",
    "flow",
    "integration",
    "provider",
    "client",
    "address",
    "count",
    "records",
    "pages",
    "bytes",
    "secs",
    "detail",
];

/// Longest text of one field, in bytes.
const MAX_TEXT: usize = 1024;

/// The message and the allowed fields of one event.
#[derive(Default)]
pub struct Fields {
    message: String,
    found: Vec<(usize, Value)>,
}

impl Fields {
    /// What happened, in words.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The allowed fields, in order.
    pub fn into_pairs(mut self) -> impl Iterator<Item = (&'static str, Value)> {
        self.found.sort_by_key(|(place, _)| *place);
        self.found.into_iter().filter_map(|(place, value)| Some((*ALLOWED.get(place)?, value)))
    }

    /// Adds a field by name, if it is allowed.
    pub fn add(&mut self, name: &str, value: Value) {
        if let Some(place) = ALLOWED.iter().position(|allowed| *allowed == name) {
            self.found.push((place, value));
        }
    }

    fn add_text(&mut self, field: &Field, text: &str) {
        match field.name() {
            "message" => self.message = short(text),
            name => self.add(name, Value::String(short(text))),
        }
    }
}

/// A text within its limit, cut between characters.
fn short(text: &str) -> String {
    match text.char_indices().map(|(at, _)| at).find(|at| *at > MAX_TEXT) {
        Some(end) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add_text(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field.name(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field.name(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field.name(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add_text(field, &format!("{value:?}"));
    }
}
