//! How bad a problem is, and how well an integration does, each in a word.

use crate::named::named;

named! {
    /// How bad a problem is.
    pub enum Severity as "severity" {
        /// Worth knowing.
        Low = "low",
        /// Costs something: retries, rejected rows.
        Medium = "medium",
        /// Work fails until it is resolved.
        High = "high",
        /// The integration does not work at all.
        Critical = "critical",
    }
}

impl Severity {
    /// What one problem of this severity weighs in the error rate.
    pub const fn weight(self) -> f64 {
        match self {
            Self::Low => 0.1,
            Self::Medium => 0.3,
            Self::High => 0.6,
            Self::Critical => 1.0,
        }
    }
}

named! {
    /// A score in a word.
    pub enum Level as "level" {
        /// 80 and more.
        Healthy = "healthy",
        /// 50 to 79.
        Degraded = "degraded",
        /// Below 50.
        Failing = "failing",
    }
}

impl Level {
    /// The level of a score.
    pub const fn of(score: u8) -> Self {
        match score {
            80.. => Self::Healthy,
            50..80 => Self::Degraded,
            _ => Self::Failing,
        }
    }
}
