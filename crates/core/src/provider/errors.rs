//! How a service says no, so that a failure is known as "try again" or "stop" where it happens.

use serde::{Deserialize, Serialize};

use super::Paths;

/// Where an error answer keeps its words, and what they mean.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ErrorRules {
    /// Path of a boolean that must be true even in a 200 answer (Slack's `ok`).
    pub ok: Option<String>,
    /// Path of the machine-readable word. An index addresses an array: `0.errorCode`. Of several
    /// the first that leads to something.
    pub word: Option<Paths>,
    /// Path of the sentence for people.
    pub message: Option<Paths>,
    /// Path of a boolean that is true where a retry may cure what no word below explains.
    pub transient: Option<String>,
    /// Meanings of words; a word not listed is judged by the status.
    pub words: Vec<ErrorWord>,
    /// Statuses that a retry may cure, besides 408, 425, 429 and 5xx.
    pub retry_statuses: Vec<u16>,
    /// Meanings of statuses whose answer holds no error document.
    pub bare: Vec<BareStatus>,
}

/// What a status means when the answer holds no error document.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BareStatus {
    /// The status.
    pub status: u16,
    /// What to do about it.
    pub verdict: Verdict,
}

/// What one word means.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorWord {
    /// The word, as text; numbers are compared by their decimal form.
    pub word: String,
    /// The last word of a range of numbers that begins with `word`.
    #[serde(default)]
    pub to: Option<u32>,
    /// What to do about it.
    pub verdict: Verdict,
    /// What a person can do about it.
    #[serde(default)]
    pub advice: Option<String>,
}

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Try again later.
    Retry,
    /// The budget is used up: try again when it is not.
    RateLimited,
    /// The credential is dead: connect again.
    Reauth,
    /// The token ended: refresh and try again.
    Refresh,
    /// The request itself is wrong; a retry changes nothing.
    Refused,
    /// The credential lacks a permission.
    Forbidden,
    /// The thing is not there.
    NotFound,
    /// The thing is there already.
    Conflict,
}
