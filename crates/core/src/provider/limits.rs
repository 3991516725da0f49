//! How often one may call, and how the provider says how much is left.

use serde::{Deserialize, Serialize};

/// The budget of one credential at one provider.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Budgets per time window. A call counts against the first window whose `paths` match it.
    pub windows: Vec<Window>,
    /// Calls under way at once. None: the client's own cap.
    pub concurrency: Option<u32>,
    /// Calls a day, where the provider names one. None: unknown, only counted.
    pub daily: Option<u64>,
    /// Pause after a refusal that names no time, in seconds, doubled with each in a row. None: two.
    pub pause_secs: Option<u32>,
    /// How answers tell what is left.
    pub signals: Vec<Signal>,
}

impl Limits {
    /// Calls under way at once when nothing else is limited.
    const UNLIMITED_CONCURRENCY: u32 = 256;

    /// No windows: for stand-ins that take whatever comes.
    pub fn none() -> Self {
        Self { concurrency: Some(Self::UNLIMITED_CONCURRENCY), ..Self::default() }
    }
}

/// So many calls in so much time.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Its name, for usage reports.
    pub name: String,
    /// Calls allowed.
    pub calls: u32,
    /// The window's length, in milliseconds.
    pub per_ms: u64,
    /// Path suffixes this budget is for; empty means all other calls.
    #[serde(default)]
    pub paths: Vec<String>,
}

/// Something in an answer that tells the budget.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Signal {
    /// Headers with the size and rest of a window.
    Window {
        /// The window of this pack they describe.
        window: String,
        /// Header with the calls allowed.
        max: String,
        /// Header with the calls left.
        remaining: String,
        /// Header with the window's length in milliseconds; none: as the pack says.
        #[serde(default)]
        interval_ms: Option<String>,
    },
    /// Headers with the size and rest of the day.
    Daily {
        /// Header with the calls allowed.
        max: String,
        /// Header with the calls left.
        remaining: String,
    },
    /// A header `key=used/max; ...`.
    UsagePair {
        /// The header.
        header: String,
        /// The key before `=`.
        key: String,
    },
    /// A header with JSON in which percentages stand; 100 means throttled.
    UsagePercent {
        /// The header.
        header: String,
        /// The fields that are percentages; empty: every number is one.
        #[serde(default)]
        fields: Vec<String>,
        /// The field with the minutes until access returns.
        #[serde(default)]
        minutes: Option<String>,
        /// The field with the seconds until access returns.
        #[serde(default)]
        seconds: Option<String>,
    },
    /// A delay in the error body.
    BodyDelay {
        /// The field to look for at any depth: `"12s"`, or seconds.
        field: String,
    },
}
