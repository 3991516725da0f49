//! When a failed attempt is tried again.

use serde::{Deserialize, Serialize};

use super::Span;

/// Most attempts a policy may ask for.
pub const MAX_ATTEMPTS: u32 = 9;

/// How a step is retried. The delay doubles from `backoff` up to `max_backoff`.
///
/// A provider's own `Retry-After` and the rate governor override the delay, never the attempts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryPolicy {
    /// Attempts in all, the first included: 1 to 9.
    pub attempts: u32,
    /// Delay after the first failure.
    pub backoff: Span,
    /// Longest delay.
    pub max_backoff: Span,
    /// Share of a delay that is random, 0 to 1, so that runs which failed together do not come
    /// back together.
    pub jitter: f64,
    /// No further attempt begins this long after the first one began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_elapsed: Option<Span>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 4,
            backoff: Span::from_secs(5),
            max_backoff: Span::from_secs(600),
            jitter: 0.2,
            max_elapsed: None,
        }
    }
}

impl RetryPolicy {
    /// The delay before the next attempt, or `None` when there is none left.
    ///
    /// `failed`: attempts that failed so far, at least 1. `elapsed`: time since the first attempt
    /// began. `random`: any number; it places the delay within the jitter.
    pub fn next_delay(&self, failed: u32, elapsed: Span, random: u64) -> Option<Span> {
        if failed >= self.attempts {
            return None;
        }
        let doublings = failed.saturating_sub(1).min(32);
        let full = self.backoff.millis().saturating_mul(1 << doublings);
        let full = full.min(self.max_backoff.millis());
        // Thousandths keep this in integers: the same input gives the same delay everywhere.
        let per_mille = self.jitter_per_mille();
        let cut = u128::from(full) * u128::from(per_mille * (random % 1_001)) / 1_000_000;
        let delay = Span::from_millis(full.saturating_sub(u64::try_from(cut).unwrap_or(full)));
        let begins = elapsed.millis().saturating_add(delay.millis());
        self.max_elapsed.is_none_or(|max| begins <= max.millis()).then_some(delay)
    }

    fn jitter_per_mille(&self) -> u64 {
        (self.jitter.clamp(0.0, 1.0) * 1_000.0).round() as u64
    }

    /// What is not acceptable, as (field, message).
    pub(super) fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        if !(1..=MAX_ATTEMPTS).contains(&self.attempts) {
            faults.push(("attempts", format!("must be 1 to {MAX_ATTEMPTS}")));
        }
        if !(0.0..=1.0).contains(&self.jitter) {
            faults.push(("jitter", "must be 0 to 1".to_owned()));
        }
        if self.max_backoff < self.backoff {
            faults.push(("max_backoff", "must not be shorter than `backoff`".to_owned()));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: fn(u64) -> Option<Span> = |secs| Some(Span::from_secs(secs));

    #[test]
    fn doubles_up_to_the_limit_and_then_stops() {
        let policy = RetryPolicy {
            attempts: 5,
            max_backoff: Span::from_secs(15),
            jitter: 0.0,
            ..RetryPolicy::default()
        };
        let delays: Vec<_> =
            (1..=5).map(|failed| policy.next_delay(failed, Span::default(), 7)).collect();
        assert_eq!(delays, [SECOND(5), SECOND(10), SECOND(15), SECOND(15), None]);
    }

    #[test]
    fn jitter_only_shortens_within_its_share() {
        let policy = RetryPolicy { jitter: 0.5, ..RetryPolicy::default() };
        let delay = |random| policy.next_delay(1, Span::default(), random).unwrap().millis();
        assert_eq!((delay(0), delay(500), delay(1_000)), (5_000, 3_750, 2_500));
        assert_eq!(delay(u64::MAX), delay(u64::MAX % 1_001));
    }

    #[test]
    fn gives_up_when_too_much_time_has_passed() {
        let policy = RetryPolicy { max_elapsed: SECOND(12), jitter: 0.0, ..RetryPolicy::default() };
        assert_eq!(policy.next_delay(1, Span::from_secs(7), 0), SECOND(5));
        assert_eq!(policy.next_delay(1, Span::from_secs(8), 0), None);
    }
}
