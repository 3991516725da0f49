//! The real clock and the operating system's entropy.

use std::sync::Arc;

use connectus_core::{
    Env, Timestamp,
    env::{Clock, Entropy},
};

struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    fn now(&self) -> Timestamp {
        let since =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}

struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        // Without entropy no secret can be made: stopping is the only safe answer.
        if getrandom::fill(buffer).is_err() {
            std::process::abort();
        }
    }
}

/// The environment of a real process.
pub fn env() -> Env {
    Env::new(Arc::new(SystemClock), Arc::new(SystemEntropy))
}
