//! When to try again.

use connectus_core::{Error, RunId, Timestamp};

/// Longest pause between two attempts of a run, in seconds.
const LONGEST_SECS: u64 = 3600;
/// Longest pause the other side may ask for, in seconds.
const LONGEST_WISH_SECS: u64 = 24 * 3600;

/// The pause the other side asked for, in milliseconds.
pub(super) fn wish_ms(retry_after: Option<u64>) -> u64 {
    retry_after.unwrap_or(0).min(LONGEST_WISH_SECS) * 1_000
}

/// The pause before attempt `attempt + 1`, in milliseconds: `base` doubled each time, up to
/// `longest`, spread by up to a fifth so that a crowd does not come back at once. The spread is
/// taken from the key, so that the same attempt always waits the same time.
fn pause_ms(key: &str, attempt: u32, base_ms: u64, longest_ms: u64) -> u64 {
    let doubled = base_ms.saturating_mul(1_u64 << attempt.saturating_sub(1).min(20));
    let pause = doubled.min(longest_ms);
    let spread = key.bytes().fold(u64::from(attempt), |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    pause - pause / 5 * (spread % 100) / 100
}

/// When a run that hit a transient error is due again. The other side's own wish wins.
pub(super) fn run_due(run: &RunId, attempt: u32, error: &Error, now: Timestamp) -> Timestamp {
    let pause = pause_ms(run.as_str(), attempt, 2_000, LONGEST_SECS * 1_000);
    let pause = pause.max(wish_ms(error.retry_after));
    now.plus_millis(i64::try_from(pause).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_longest_and_stays_within_the_spread() {
        for attempt in 1..40 {
            let whole = (1_000_u64 << (attempt - 1).min(20)).min(60_000);
            let pause = pause_ms("run_1", attempt, 1_000, 60_000);
            assert!(pause <= whole && pause >= whole - whole / 5, "attempt {attempt}: {pause}");
            assert_eq!(pause, pause_ms("run_1", attempt, 1_000, 60_000));
        }
        assert_ne!(pause_ms("run_1", 3, 1_000, 60_000), pause_ms("run_2", 3, 1_000, 60_000));
    }

    #[test]
    fn the_wish_of_the_other_side_wins() {
        let error = Error::new(connectus_core::Code::RateLimited, "slow down").retry_after(90);
        let due = run_due(&RunId::trusted("run_1"), 1, &error, Timestamp::from_secs(0));
        assert_eq!(due, Timestamp::from_secs(90));
        assert_eq!(wish_ms(Some(u64::MAX)), LONGEST_WISH_SECS * 1_000, "but not for ever");
    }
}
