//! So many calls in so much time, never more, in constant memory.

use connectus_core::Timestamp;

/// Parts a window is counted in. A call leaves the count at most one part late: of a limit, a
/// sixtieth at most goes unused.
const PARTS: usize = 60;

/// A sliding window. It never lets more than its limit through in any stretch of its length: it
/// counts the current part and the sixty before it, so it errs on the careful side.
#[derive(Clone, Debug)]
pub struct SlidingWindow {
    limit: u64,
    part_micros: i64,
    counts: [u64; PARTS + 1],
    /// Number of the newest part counted.
    newest: i64,
}

impl SlidingWindow {
    /// A window of `limit` calls in `per_ms` milliseconds.
    pub fn new(limit: u64, per_ms: u64) -> Self {
        let micros = i64::try_from(per_ms).unwrap_or(i64::MAX / 1_000_000).saturating_mul(1_000);
        // Rounded up: no part may end before its share of the window.
        let part_micros = (micros.saturating_add(PARTS as i64 - 1) / PARTS as i64).max(1);
        Self { limit: limit.max(1), part_micros, counts: [0; PARTS + 1], newest: i64::MIN }
    }

    /// Calls counted now.
    pub fn used(&mut self, now: Timestamp) -> u64 {
        self.advance(now);
        self.counts.iter().sum()
    }

    /// Microseconds until a call is allowed; 0 means now.
    pub fn wait(&mut self, now: Timestamp) -> i64 {
        let used = self.used(now);
        if used < self.limit {
            return 0;
        }
        let mut excess = used - self.limit + 1;
        // The oldest part leaves first.
        for age in (0..=PARTS).rev() {
            let part = self.newest - age as i64;
            let count = self.count_mut(part);
            excess = excess.saturating_sub(*count);
            if excess == 0 {
                let leaves = (part + PARTS as i64 + 1).saturating_mul(self.part_micros);
                return leaves.saturating_sub(now.0).max(1);
            }
        }
        self.part_micros
    }

    /// Counts a call.
    pub fn take(&mut self, now: Timestamp) {
        self.advance(now);
        let newest = self.newest;
        *self.count_mut(newest) += 1;
    }

    /// The provider says how many calls it allows and how many are left. Its limit replaces ours;
    /// calls it knows of and we do not, another client's, are counted as made now.
    pub fn told(&mut self, now: Timestamp, max: u64, remaining: u64, per_ms: Option<u64>) {
        if let Some(per_ms) = per_ms.filter(|ms| *ms > 0) {
            let fresh = Self::new(max, per_ms);
            if fresh.part_micros != self.part_micros {
                *self = fresh;
            }
        }
        self.limit = max.max(1);
        let used = self.used(now);
        let theirs = max.saturating_sub(remaining);
        if theirs > used {
            let newest = self.newest;
            *self.count_mut(newest) += theirs - used;
        }
    }

    fn advance(&mut self, now: Timestamp) {
        let part = now.0.div_euclid(self.part_micros);
        if part <= self.newest {
            return;
        }
        let steps = part.saturating_sub(self.newest).min(PARTS as i64 + 1);
        for step in 0..steps {
            *self.count_mut(part - step) = 0;
        }
        self.newest = part;
    }

    fn count_mut(&mut self, part: i64) -> &mut u64 {
        let index = usize::try_from(part.rem_euclid(PARTS as i64 + 1)).unwrap_or(0);
        // The remainder is always within the array.
        let index = index.min(PARTS);
        &mut self.counts[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + ms)
    }

    #[test]
    fn never_lets_more_through_in_any_window() {
        let mut window = SlidingWindow::new(110, 10_000);
        let mut calls = Vec::new();
        let mut now = 0;
        // 1,000 calls as fast as allowed.
        while calls.len() < 1_000 {
            let wait = window.wait(at(now));
            if wait == 0 {
                window.take(at(now));
                calls.push(now);
            } else {
                now += (wait + 999) / 1_000;
            }
        }
        for (index, start) in calls.iter().enumerate() {
            let within = calls.iter().skip(index).take_while(|c| **c < start + 10_000).count();
            assert!(within <= 110, "{within} calls from {start}");
        }
        // Careful, but not by more than one part in sixty.
        assert!(*calls.last().unwrap() <= 92_000, "{:?}", calls.last());
    }

    #[test]
    fn the_wait_it_names_is_enough() {
        let mut window = SlidingWindow::new(2, 1_000);
        window.take(at(0));
        window.take(at(950));
        let wait = window.wait(at(960));
        assert!(wait > 0 && wait <= 1_100_000, "{wait}");
        assert!(window.wait(Timestamp(at(960).0 + wait - 1)) > 0);
        assert_eq!(window.wait(Timestamp(at(960).0 + wait)), 0);
    }

    #[test]
    fn believes_the_provider() {
        let mut window = SlidingWindow::new(110, 10_000);
        window.take(at(0));
        window.told(at(1), 190, 0, Some(10_000));
        assert_eq!(window.used(at(1)), 190);
        assert!(window.wait(at(1)) > 0);
        assert_eq!(window.wait(at(11_001)), 0);
        // More left than we thought changes nothing: our own count is the careful one.
        window.take(at(11_001));
        window.told(at(11_002), 190, 190, None);
        assert_eq!(window.used(at(11_002)), 1);
    }

    #[test]
    fn a_clock_that_steps_back_does_not_reset_the_count() {
        let mut window = SlidingWindow::new(1, 1_000);
        window.take(at(500));
        assert!(window.wait(at(0)) > 0);
    }
}
