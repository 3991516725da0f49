//! What a run learns, and the form it has in the journal.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::RunError;
use crate::{Error, Result, Timestamp, run::Failure};

/// The version of journal entries written now.
pub const JOURNAL_VERSION: u32 = 1;
/// The version of entries whose payload is parked: where the payload was, a reference is.
pub const PARKED_VERSION: u32 = 2;

/// Something a run learns. The order of events is part of a run's history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The first event of every generation.
    Started {
        /// A random number drawn once; expressions see it as `run.seed`.
        seed: u64,
        /// 0, and one more after every `ContinueAs`.
        #[serde(default)]
        generation: u32,
    },
    /// A step was executed.
    Done {
        /// The step's path.
        id: String,
        /// What the action gave back.
        output: Value,
    },
    /// A step failed for good.
    Failed {
        /// The step's path.
        id: String,
        /// Why.
        error: Failure,
        /// Whether it may have been done all the same, under the key it was given.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unsure: bool,
    },
    /// A timer or deadline passed.
    Fired {
        /// The step's path.
        id: String,
    },
    /// Someone sent a signal. It may come before a step asks for it.
    Signalled {
        /// The signal's name.
        name: String,
        /// What came with it.
        #[serde(default)]
        value: Value,
    },
    /// Another workflow this run started has ended.
    ChildDone {
        /// The step's path.
        id: String,
        /// How.
        result: ChildOutcome,
    },
    /// Someone wants the run stopped.
    CancelRequested {
        /// Why, for the record.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The run goes on from here as a run of its own, perhaps long after: time limits that run
    /// begin anew.
    Resumed {},
}

/// How a child ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChildOutcome {
    /// Well, with this output.
    Output(Value),
    /// Badly.
    Error(RunError),
}

/// An event with its time, as the journal keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// When the run learnt it.
    pub at: Timestamp,
    /// What it learnt.
    pub event: Event,
}

#[derive(Serialize)]
struct Written<'a> {
    v: u32,
    at: Timestamp,
    #[serde(flatten)]
    event: &'a Event,
}

#[derive(Deserialize)]
struct Version {
    v: u32,
}

#[derive(Deserialize)]
struct VersionOne {
    at: Timestamp,
    #[serde(flatten)]
    event: Event,
}

impl Entry {
    /// The entry as a journal payload: one line of versioned JSON.
    pub fn to_json(&self) -> String {
        let written = Written { v: JOURNAL_VERSION, at: self.at, event: &self.event };
        // Strings, numbers and JSON values only: nothing that can fail to be written.
        serde_json::to_string(&written).unwrap_or_default()
    }

    /// Reads a journal payload of any version there ever was.
    ///
    /// # Errors
    /// `internal` when it is none, or of a later version than this program knows.
    pub fn from_json(text: &str) -> Result<Self> {
        let broken = |error| Error::internal(format!("unreadable journal entry: {error}"));
        let Version { v } = serde_json::from_str(text).map_err(broken)?;
        match v {
            1 => {
                let VersionOne { at, event } = serde_json::from_str(text).map_err(broken)?;
                Ok(Self { at, event })
            }
            PARKED_VERSION => Err(Error::internal(
                "a journal entry was read before its parked payload was put back",
            )),
            later => Err(Error::internal(format!(
                "journal entry of version {later}; this program reads up to {JOURNAL_VERSION}"
            ))),
        }
    }
}
