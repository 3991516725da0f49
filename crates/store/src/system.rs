//! The real clock and the operating system's entropy.

use std::{cell::RefCell, sync::Arc};

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

/// Longest that counts as small: identifiers and seeds, of which a run takes many, but no key.
const SMALL: usize = 16;

/// Random bytes fetched ahead, so that an identifier costs no call of the system.
struct Pool {
    bytes: [u8; 1024],
    used: usize,
}

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { bytes: [0; 1024], used: 1024 }) };
}

impl Pool {
    fn fill(&mut self, buffer: &mut [u8]) {
        if self.used + buffer.len() > self.bytes.len() {
            fetch(&mut self.bytes);
            self.used = 0;
        }
        let taken = &mut self.bytes[self.used..self.used + buffer.len()];
        buffer.copy_from_slice(taken);
        // No byte is given out twice, nor left behind.
        taken.fill(0);
        self.used += buffer.len();
    }
}

fn fetch(buffer: &mut [u8]) {
    // Without entropy no secret can be made: stopping is the only safe answer.
    if getrandom::fill(buffer).is_err() {
        std::process::abort();
    }
}

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        match buffer.len() {
            0..=SMALL => POOL.with_borrow_mut(|pool| pool.fill(buffer)),
            _ => fetch(buffer),
        }
    }
}

/// The environment of a real process.
pub fn env() -> Env {
    Env::new(Arc::new(SystemClock), Arc::new(SystemEntropy))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_random_bytes_are_given_out_twice() {
        let env = env();
        let short: HashSet<[u8; 10]> = (0..1_000).map(|_| env.random()).collect();
        let long: HashSet<[u8; 32]> = (0..10).map(|_| env.random()).collect();
        assert_eq!((short.len(), long.len()), (1_000, 10));
    }
}
