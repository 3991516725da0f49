//! Time that moves only when a test says so, and random bytes that repeat.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicI64, Ordering},
};

use connectus_core::{
    Env, Timestamp,
    env::{Clock, Entropy},
};

/// When simulated time begins: 2026-01-05 09:00 UTC, an ordinary Monday morning.
pub const BEGINNING: Timestamp = Timestamp::from_secs(1_767_603_600);

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct SimClock(AtomicI64);

impl SimClock {
    /// A clock that shows `at`.
    pub fn at(at: Timestamp) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(at.0)))
    }

    /// Moves the clock, backwards for negative numbers, and returns the new time.
    pub fn advance_secs(&self, secs: i64) -> Timestamp {
        self.advance_micros(secs * 1_000_000)
    }

    /// Moves the clock by milliseconds and returns the new time.
    pub fn advance_millis(&self, millis: i64) -> Timestamp {
        self.advance_micros(millis * 1_000)
    }

    /// Sets the clock.
    pub fn set(&self, at: Timestamp) {
        self.0.store(at.0, Ordering::SeqCst);
    }

    fn advance_micros(&self, micros: i64) -> Timestamp {
        Timestamp(self.0.fetch_add(micros, Ordering::SeqCst) + micros)
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// A stream of random-looking bytes that is the same for the same seed (SplitMix64).
#[derive(Debug)]
pub struct SimEntropy(Mutex<u64>);

impl SimEntropy {
    /// A stream that begins at `seed`.
    pub fn seeded(seed: u64) -> Arc<Self> {
        Arc::new(Self(Mutex::new(seed)))
    }
}

impl Entropy for SimEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        // One lock for the whole buffer: concurrent callers never share bytes.
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in buffer.chunks_mut(8) {
            *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut bits = *state;
            bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            bits ^= bits >> 31;
            for (byte, random) in chunk.iter_mut().zip(bits.to_le_bytes()) {
                *byte = random;
            }
        }
    }
}

/// An [`Env`] for the code under test and the clock behind it for the test.
#[derive(Clone, Debug)]
pub struct SimEnv {
    /// What the test moves.
    pub clock: Arc<SimClock>,
    /// What the code gets.
    pub env: Env,
}

impl SimEnv {
    /// Time at [`BEGINNING`], entropy from `seed`.
    pub fn seeded(seed: u64) -> Self {
        let clock = SimClock::at(BEGINNING);
        let env = Env::new(clock.clone(), SimEntropy::seeded(seed));
        Self { clock, env }
    }
}

impl Default for SimEnv {
    fn default() -> Self {
        Self::seeded(0)
    }
}

#[cfg(test)]
mod tests {
    use connectus_core::RunId;

    use super::*;

    #[test]
    fn time_stands_still_until_moved() {
        let sim = SimEnv::default();
        assert_eq!(sim.env.now().to_string(), "2026-01-05T09:00:00Z");
        assert_eq!(sim.env.now(), sim.env.now());
        assert_eq!(sim.clock.advance_secs(60), BEGINNING.plus_secs(60));
        assert_eq!(sim.env.now(), BEGINNING.plus_secs(60));
    }

    #[test]
    fn equal_seeds_repeat_and_others_do_not() {
        let ids = |seed| {
            let sim = SimEnv::seeded(seed);
            [sim.env.id::<RunId>(), sim.env.id::<RunId>()]
        };
        assert_eq!(ids(7), ids(7));
        assert_ne!(ids(7), ids(8));
        assert_ne!(ids(7)[0], ids(7)[1]);
    }

    #[test]
    fn a_buffer_of_any_length_is_filled_throughout() {
        let entropy = SimEntropy::seeded(1);
        let mut buffer = [0; 21];
        entropy.fill(&mut buffer);
        assert!(buffer.chunks(7).all(|part| part.iter().any(|byte| *byte != 0)));
    }
}
