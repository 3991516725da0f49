//! How well an integration does: one number, and everything it was computed from.
//!
//! The score is reproducible: the same [`Inputs`] always give the same [`Health`], and the answer
//! carries the inputs, the formula and the caps that applied.

mod level;
mod log;

use serde::{Deserialize, Serialize};

pub use level::{Level, Severity};
pub use log::{HealthLog, severity_of, suggestion};

/// Days of history a score looks at.
pub const WINDOW_DAYS: u32 = 7;

/// The most a score can be while a critical problem is unresolved.
pub const CRITICAL_CAP: u8 = 40;

/// Runs after which the confidence reaches one half.
const HALF_CONFIDENCE_RUNS: f64 = 10.0;

/// The formula, as shown to people.
pub const FORMULA: &str = "100 * (0.5 * success_rate + 0.3 * (1 - weighted_error_rate) + \
                           0.2 * quota_headroom)";

/// Problems of the window, counted by severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorCounts {
    /// Of [`Severity::Low`].
    pub low: u64,
    /// Of [`Severity::Medium`].
    pub medium: u64,
    /// Of [`Severity::High`].
    pub high: u64,
    /// Of [`Severity::Critical`].
    pub critical: u64,
}

impl ErrorCounts {
    /// Counts more problems of a severity.
    pub fn add(&mut self, severity: Severity, count: u64) {
        let slot = match severity {
            Severity::Low => &mut self.low,
            Severity::Medium => &mut self.medium,
            Severity::High => &mut self.high,
            Severity::Critical => &mut self.critical,
        };
        *slot = slot.saturating_add(count);
    }

    fn weight(&self) -> f64 {
        float(self.low) * Severity::Low.weight()
            + float(self.medium) * Severity::Medium.weight()
            + float(self.high) * Severity::High.weight()
            + float(self.critical) * Severity::Critical.weight()
    }
}

/// What a score is computed from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inputs {
    /// Runs of the window that succeeded: syncs, and workflow runs that used the integration.
    pub runs_succeeded: u64,
    /// Runs of the window that failed.
    pub runs_failed: u64,
    /// Calls made to the provider in the window.
    pub calls: u64,
    /// Problems logged in the window.
    pub errors: ErrorCounts,
    /// Critical problems nobody resolved yet, whenever they began.
    pub unresolved_critical: u64,
    /// Calls made today.
    pub api_calls_today: u64,
    /// Calls allowed per day; 0 when unknown or unlimited.
    pub api_calls_limit: u64,
}

/// The three parts of a score, each 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Parts {
    /// Runs that succeeded among all runs; 1 without any run.
    pub success_rate: f64,
    /// Problems by weight per call, at most 1.
    pub weighted_error_rate: f64,
    /// The share of today's calls still available; 1 when the limit is unknown.
    pub quota_headroom: f64,
}

/// Why a score is lower than its formula says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cap {
    /// The most the score can be.
    pub limit: u8,
    /// Why.
    pub reason: String,
}

/// A score with its explanation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Health {
    /// 0 to 100.
    pub score: u8,
    /// The score in a word.
    pub level: Level,
    /// How much history stands behind it: 0 without any run, 0.5 after ten, towards 1.
    pub confidence: f64,
    /// How the score follows from the parts.
    pub formula: &'static str,
    /// Days of history looked at.
    pub window_days: u32,
    /// The parts of the formula.
    pub parts: Parts,
    /// What the parts were computed from.
    pub inputs: Inputs,
    /// The caps that applied.
    pub caps: Vec<Cap>,
}

impl Health {
    /// Computes a score. No run yet means 100 with a confidence of 0.
    pub fn of(inputs: Inputs) -> Self {
        let runs = float(inputs.runs_succeeded) + float(inputs.runs_failed);
        let parts = Parts {
            success_rate: if runs > 0.0 { float(inputs.runs_succeeded) / runs } else { 1.0 },
            // At least one call: an error without a counted call still weighs.
            weighted_error_rate: (inputs.errors.weight() / float(inputs.calls.max(1))).min(1.0),
            quota_headroom: quota_headroom(inputs.api_calls_today, inputs.api_calls_limit),
        };
        let mut score = if runs > 0.0 { parts.score() } else { 100 };
        let mut caps = Vec::new();
        if inputs.unresolved_critical > 0 {
            score = score.min(CRITICAL_CAP);
            caps.push(Cap {
                limit: CRITICAL_CAP,
                reason: format!(
                    "{} critical problem(s) unresolved: resolve them in the health log.",
                    inputs.unresolved_critical
                ),
            });
        }
        Self {
            score,
            level: Level::of(score),
            confidence: (runs / (runs + HALF_CONFIDENCE_RUNS) * 100.0).round() / 100.0,
            formula: FORMULA,
            window_days: WINDOW_DAYS,
            parts,
            inputs,
            caps,
        }
    }
}

impl Parts {
    fn score(&self) -> u8 {
        let sum = 0.5 * self.success_rate
            + 0.3 * (1.0 - self.weighted_error_rate)
            + 0.2 * self.quota_headroom;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to 0..=100 just before"
        )]
        let score = (100.0 * sum).round().clamp(0.0, 100.0) as u8;
        score
    }
}

/// The share of a call limit still available, 0 to 1. A limit of 0 is unknown: 1.
pub fn quota_headroom(used: u64, limit: u64) -> f64 {
    if limit == 0 { 1.0 } else { (1.0 - float(used) / float(limit)).max(0.0) }
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^53; a rate needs no more")]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests;
