//! How long things took.

use std::time::Duration;

/// Times in order.
#[derive(Clone, Debug, Default)]
pub struct Latencies(Vec<Duration>);

impl Latencies {
    /// Sorts them.
    pub fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The time that so many of a thousand stay within, in milliseconds.
    pub fn permille_ms(&self, permille: usize) -> f64 {
        let index = (self.0.len() * permille / 1_000).min(self.0.len().saturating_sub(1));
        self.0.get(index).map_or(0.0, |time| (time.as_secs_f64() * 1e6).round() / 1e3)
    }

    /// The middle one.
    pub fn p50_ms(&self) -> f64 {
        self.permille_ms(500)
    }

    /// The one that 99 of 100 stay within.
    pub fn p99_ms(&self) -> f64 {
        self.permille_ms(990)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_count_from_the_shortest() {
        let all = Latencies::of((1..=100).rev().map(Duration::from_millis).collect());
        assert_eq!((all.p50_ms(), all.p99_ms(), all.permille_ms(1_000)), (51.0, 100.0, 100.0));
        assert_eq!(Latencies::default().p99_ms(), 0.0);
    }
}
