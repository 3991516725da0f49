//! What the tests of this module share.

use std::sync::Arc;

use connectus_core::{Env, Timestamp, env};

struct Still;

impl env::Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(1_790_000_000)
    }
}

impl env::Entropy for Still {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(7);
    }
}

/// A clock that stands still.
pub fn env() -> Env {
    Env::new(Arc::new(Still), Arc::new(Still))
}
