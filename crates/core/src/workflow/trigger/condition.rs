//! `condition`: records are looked at again and again, and a run starts when an expression on them
//! turns true. What held at the first look starts nothing.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{of_schedule, only, schedule_text, text};
use crate::{
    Error, Result, canonical::Digest, collection::CollectionName, expr::Expr, schedule::Schedule,
};

/// How often is looked when the config does not say.
const EVERY: &str = "every 5m";
/// Most records for which a condition may hold at a time.
const MAX_HOLDING: usize = 10_000;
/// So many characters of a key's digest tell two records apart.
const MARK_CHARS: usize = 16;

/// Which records to look at, when, and what must hold.
#[derive(Debug)]
pub struct Condition {
    /// Where the records are.
    pub source: Source,
    /// What must hold.
    pub expression: Expr,
    /// Whether it is about all records at once (`records`, `count`), not about each (`record`).
    pub whole: bool,
    /// When to look.
    pub schedule: Schedule,
}

/// Where records are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Inside Connectus.
    Collection(CollectionName),
    /// At a provider.
    Stream {
        /// Identifier or name of an integration; none: the workflow's own.
        integration: Option<String>,
        /// The stream.
        stream: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    collection: Option<CollectionName>,
    integration: Option<String>,
    stream: Option<String>,
    expression: String,
    #[serde(default)]
    on: On,
    #[serde(rename = "schedule")]
    _schedule: Option<String>,
    #[serde(rename = "cron")]
    _cron: Option<String>,
    #[serde(rename = "every")]
    _every: Option<String>,
    #[serde(rename = "timezone")]
    _timezone: Option<String>,
    #[serde(rename = "dedupe")]
    _dedupe: Option<String>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum On {
    #[default]
    Record,
    All,
}

impl Condition {
    pub(super) fn read(config: &Map<String, Value>, zone: &str, spread_by: &str) -> Result<Self> {
        let read = serde_path_to_error::deserialize(Value::Object(config.clone()));
        let read: Config = read.map_err(|error| {
            let at = error.path().to_string();
            let at = if at == "." { String::new() } else { at };
            Error::invalid(at, error.into_inner().to_string())
        })?;
        let source = match (read.collection, read.stream) {
            (Some(collection), None) => Source::Collection(collection),
            (None, Some(stream)) => Source::Stream { integration: read.integration, stream },
            _ => {
                let message = "name where the records are: a `collection`, or a `stream` of an \
                               `integration`";
                return Err(Error::invalid("collection", message));
            }
        };
        let whole = read.on == On::All;
        let names: &[&str] = if whole { &["records", "count"] } else { &["record", "key"] };
        let fault = |message: String| Error::invalid("expression", message);
        let expression = Expr::compile(&read.expression).map_err(|error| fault(error.detail))?;
        only(&[&expression], names).map_err(fault)?;
        let schedule = Self::schedule_of(config, zone, spread_by)?;
        Ok(Self { source, expression, whole, schedule })
    }

    pub(super) fn schedule_of(
        config: &Map<String, Value>,
        zone: &str,
        spread_by: &str,
    ) -> Result<Schedule> {
        let schedule = schedule_text(config).unwrap_or_else(|| EVERY.to_owned());
        let zone = text(config, "timezone").unwrap_or(zone);
        Schedule::parse(&schedule, zone, spread_by).map_err(of_schedule)
    }
}

/// What held when a condition was last looked at: the marks of records, or one for all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    holds: BTreeSet<String>,
}

impl Holding {
    /// The mark of a record.
    pub fn mark(key: &str) -> String {
        let mut mark = Digest::of(key.as_bytes()).to_string();
        mark.truncate(MARK_CHARS);
        mark
    }

    /// Notes that the condition holds for a mark. Whether it did not hold `before`.
    ///
    /// # Errors
    /// `invalid` when it holds for more records than are kept in mind.
    pub fn note(&mut self, mark: String, before: Option<&Self>) -> Result<bool> {
        if self.holds.len() >= MAX_HOLDING {
            return Err(Error::invalid(
                "expression",
                format!("holds for more than {MAX_HOLDING} records; let it say more precisely"),
            ));
        }
        // Before the first look nothing is known to have turned.
        let turned = before.is_some_and(|before| !before.holds.contains(&mark));
        self.holds.insert(mark);
        Ok(turned)
    }

    /// For how many records it holds.
    pub fn len(&self) -> usize {
        self.holds.len()
    }

    /// Whether it holds for none.
    pub fn is_empty(&self) -> bool {
        self.holds.is_empty()
    }
}
