//! A rolling window: at most so many calls in any span of so long.

use std::collections::{HashMap, VecDeque};

use connectus_core::Timestamp;

/// Callers remembered at once; beyond it the idle ones are forgotten.
const MAX_CALLERS: usize = 1_000;

/// Rolling windows, one per caller.
#[derive(Debug)]
pub(crate) struct Windows {
    limit: Option<u32>,
    span_ms: i64,
    callers: HashMap<String, VecDeque<Timestamp>>,
}

/// What the window says to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Admission {
    /// Calls allowed in the span.
    pub limit: u32,
    /// Calls left after this one.
    pub remaining: u32,
    /// Milliseconds until the next call is allowed; `None` when this one was admitted.
    pub wait_ms: Option<i64>,
}

impl Windows {
    /// At most `limit` calls per caller in any `span_ms` milliseconds.
    pub(crate) fn new(limit: Option<u32>, span_ms: i64) -> Self {
        Self { limit, span_ms, callers: HashMap::new() }
    }

    /// Counts a call. `None` when there is no limit. A refused call does not count.
    pub(crate) fn admit(&mut self, caller: &str, now: Timestamp) -> Option<Admission> {
        let limit = self.limit?;
        let oldest_counted = now.plus_millis(-self.span_ms);
        if self.callers.len() >= MAX_CALLERS {
            self.callers.retain(|_, calls| calls.back().is_some_and(|at| *at > oldest_counted));
        }
        let calls = self.callers.entry(caller.to_owned()).or_default();
        while calls.front().is_some_and(|at| *at <= oldest_counted) {
            calls.pop_front();
        }
        let used = u32::try_from(calls.len()).unwrap_or(u32::MAX);
        if used >= limit {
            let oldest = calls.front().copied().unwrap_or(now);
            let wait = oldest.plus_millis(self.span_ms).millis() - now.millis();
            return Some(Admission { limit, remaining: 0, wait_ms: Some(wait.max(1)) });
        }
        calls.push_back(now);
        Some(Admission { limit, remaining: limit - used - 1, wait_ms: None })
    }
}

/// A budget per calendar day in UTC, for all callers together.
#[derive(Debug)]
pub(crate) struct Daily {
    limit: Option<u32>,
    day: i64,
    used: u32,
}

impl Daily {
    /// At most `limit` calls a day.
    pub(crate) fn new(limit: Option<u32>) -> Self {
        Self { limit, day: 0, used: 0 }
    }

    /// Counts a call: the limit and what is left, or `None` when there is no limit.
    /// Nothing left before the call is an `Err`.
    pub(crate) fn admit(&mut self, now: Timestamp) -> Option<Result<(u32, u32), u32>> {
        let limit = self.limit?;
        let day = now.secs().div_euclid(86_400);
        if day != self.day {
            (self.day, self.used) = (day, 0);
        }
        if self.used >= limit {
            return Some(Err(limit));
        }
        self.used += 1;
        Some(Ok((limit, limit - self.used)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_admits_more_than_the_limit_in_any_span() {
        let mut windows = Windows::new(Some(3), 1_000);
        let mut admitted = Vec::new();
        for step in 0..200 {
            let now = Timestamp::from_millis(step * 37);
            if windows.admit("a", now).is_some_and(|a| a.wait_ms.is_none()) {
                admitted.push(now.millis());
            }
        }
        assert!(admitted.len() > 15, "{admitted:?}");
        assert!(admitted.windows(4).all(|w| matches!(w, [a, .., d] if d - a >= 1_000)));
    }

    #[test]
    fn a_refused_call_is_told_when_to_come_back() {
        let mut windows = Windows::new(Some(1), 10_000);
        let at = Timestamp::from_secs;
        assert_eq!(windows.admit("a", at(0)).unwrap().wait_ms, None);
        assert_eq!(windows.admit("a", at(4)).unwrap().wait_ms, Some(6_000));
        assert_eq!(windows.admit("b", at(4)).unwrap().wait_ms, None);
        assert_eq!(windows.admit("a", at(10)).unwrap().wait_ms, None);
        assert!(Windows::new(None, 1).admit("a", at(0)).is_none());
    }

    #[test]
    fn a_daily_budget_is_whole_again_at_midnight() {
        let mut daily = Daily::new(Some(2));
        let at = Timestamp::from_secs;
        assert_eq!(daily.admit(at(86_399)), Some(Ok((2, 1))));
        assert_eq!(daily.admit(at(86_399)), Some(Ok((2, 0))));
        assert_eq!(daily.admit(at(86_399)), Some(Err(2)));
        assert_eq!(daily.admit(at(86_400)), Some(Ok((2, 1))));
        assert_eq!(Daily::new(None).admit(at(0)), None);
    }
}
