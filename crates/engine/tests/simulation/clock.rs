//! Simulated time that moves with the runtime of a process, and stands still without one.

use std::sync::{Arc, Mutex};

use connectus_core::{Timestamp, env::Clock};
use tokio::time::Instant;

/// The time of a world.
pub struct WorldClock(Mutex<State>);

struct State {
    shown: Timestamp,
    /// When the present process began, in the time of its runtime.
    began: Option<Instant>,
}

impl WorldClock {
    pub fn at(shown: Timestamp) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State { shown, began: None })))
    }

    /// Follows the runtime in which this is called.
    pub fn begin(&self) {
        self.0.lock().unwrap().began = Some(Instant::now());
    }

    /// Stands still again.
    pub fn end(&self) {
        let mut state = self.0.lock().unwrap();
        state.shown = state.now();
        state.began = None;
    }

    /// Shows another time.
    pub fn set(&self, at: Timestamp) {
        self.0.lock().unwrap().shown = at;
    }

    /// Jumps, backwards for negative numbers.
    pub fn jump_secs(&self, secs: i64) {
        let mut state = self.0.lock().unwrap();
        state.shown = state.shown.plus_secs(secs);
    }
}

impl State {
    fn now(&self) -> Timestamp {
        let passed = self.began.map_or(0, |began| began.elapsed().as_micros());
        Timestamp(self.shown.0 + i64::try_from(passed).unwrap())
    }
}

impl Clock for WorldClock {
    fn now(&self) -> Timestamp {
        self.0.lock().unwrap().now()
    }
}
