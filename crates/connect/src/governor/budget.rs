//! The budget of one credential: a pure state machine over time.

use connectus_core::{Timestamp, provider::Limits};
use serde::Serialize;

use super::{
    signal::{Daily, Told},
    window::SlidingWindow,
};

/// Longest pause taken from an answer, in seconds. A provider that asks for more is asked again.
const MAX_PAUSE_SECS: u64 = 3_600;
/// Pause after a refusal that names no time, where the pack says nothing, in seconds.
const FIRST_PAUSE_SECS: u32 = 2;
/// Seconds in a day.
const DAY_SECS: i64 = 86_400;

/// What is known about a budget now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BudgetView {
    /// Calls made since the start of the day (UTC) by this process.
    pub calls_today: u64,
    /// Calls a day; `None`: unknown.
    pub daily_limit: Option<u64>,
    /// Calls left today as the provider last said; else limit less our own count.
    pub daily_remaining: Option<u64>,
    /// Closed until then.
    pub paused_until: Option<Timestamp>,
    /// Seconds until the day's budget is used up at today's pace; `None`: not today.
    pub exhausted_in_secs: Option<u64>,
}

/// The budget of one credential.
#[derive(Clone, Debug)]
pub struct Budget {
    windows: Vec<Lane>,
    paused_until: Timestamp,
    refusals: u32,
    first_pause: u64,
    day: i64,
    day_started: Timestamp,
    calls_today: u64,
    daily_limit: Option<u64>,
    daily_remaining: Option<u64>,
}

/// A window and the calls that count against it.
#[derive(Clone, Debug)]
struct Lane {
    name: Box<str>,
    /// Path suffixes; none means all other calls.
    paths: Vec<Box<str>>,
    window: SlidingWindow,
}

impl Budget {
    /// A fresh budget.
    pub fn new(limits: &Limits) -> Self {
        let windows = limits.windows.iter().map(|window| Lane {
            name: window.name.as_str().into(),
            paths: window.paths.iter().map(|path| path.as_str().into()).collect(),
            window: SlidingWindow::new(u64::from(window.calls), window.per_ms),
        });
        Self {
            windows: windows.collect(),
            paused_until: Timestamp(i64::MIN),
            refusals: 0,
            first_pause: u64::from(limits.pause_secs.unwrap_or(FIRST_PAUSE_SECS)),
            day: i64::MIN,
            day_started: Timestamp(0),
            calls_today: 0,
            daily_limit: limits.daily,
            daily_remaining: None,
        }
    }

    /// Takes a slot for a call to `path`, or says how many microseconds to wait first.
    ///
    /// # Errors
    /// The wait. Nothing was taken.
    pub fn next_slot(&mut self, now: Timestamp, path: &str) -> Result<(), i64> {
        self.roll_day(now);
        let pause = self.paused_until.0.saturating_sub(now.0);
        if pause > 0 {
            return Err(pause);
        }
        if let Some(window) = self.window_for(path) {
            let wait = window.wait(now);
            if wait > 0 {
                return Err(wait);
            }
            window.take(now);
        }
        self.calls_today += 1;
        self.daily_remaining = self.daily_remaining.map(|left| left.saturating_sub(1));
        Ok(())
    }

    /// Learns from an answer. `retry_after` is the header's value in seconds. Answers what it said
    /// about the day.
    pub fn observe(
        &mut self,
        now: Timestamp,
        told: Vec<Told>,
        limited: bool,
        retry_after: Option<u64>,
    ) -> Option<Daily> {
        let mut pause = None;
        let mut day = None;
        for fact in told {
            match fact {
                Told::Window { window, max, remaining, per_ms } => {
                    let found = self.windows.iter_mut().find(|lane| *lane.name == *window);
                    if let Some(lane) = found {
                        lane.window.told(now, max, remaining, per_ms);
                    }
                }
                Told::Day(told) => {
                    self.daily_limit = Some(told.max);
                    self.daily_remaining = Some(told.remaining);
                    day = Some(told);
                }
                Told::Pause(secs) => pause = pause.max(Some(secs)),
            }
        }
        if limited {
            let doubled = self.first_pause << self.refusals.min(8);
            self.refusals = self.refusals.saturating_add(1);
            pause = pause.max(Some(retry_after.unwrap_or(doubled)));
        } else {
            self.refusals = 0;
        }
        if let Some(secs) = pause {
            let secs = i64::try_from(secs.clamp(1, MAX_PAUSE_SECS)).unwrap_or(1);
            self.paused_until = self.paused_until.max(now.plus_secs(secs));
        }
        day
    }

    /// What is known now.
    pub fn view(&mut self, now: Timestamp) -> BudgetView {
        self.roll_day(now);
        let remaining = self
            .daily_remaining
            .or_else(|| self.daily_limit.map(|limit| limit.saturating_sub(self.calls_today)));
        BudgetView {
            calls_today: self.calls_today,
            daily_limit: self.daily_limit,
            daily_remaining: remaining,
            paused_until: (self.paused_until > now).then_some(self.paused_until),
            exhausted_in_secs: remaining.and_then(|left| self.exhausted_in(now, left)),
        }
    }

    /// At today's pace, and only if that is before the day ends.
    fn exhausted_in(&self, now: Timestamp, left: u64) -> Option<u64> {
        let elapsed = u64::try_from(now.secs() - self.day_started.secs()).ok()?.max(1);
        let secs = left.checked_mul(elapsed)?.checked_div(self.calls_today)?;
        let rest = u64::try_from(DAY_SECS - now.secs().rem_euclid(DAY_SECS)).ok()?;
        (secs < rest).then_some(secs)
    }

    fn roll_day(&mut self, now: Timestamp) {
        let day = now.secs().div_euclid(DAY_SECS);
        if day > self.day {
            self.day = day;
            self.day_started = now;
            self.calls_today = 0;
            self.daily_remaining = None;
        }
    }

    /// The first window whose paths match; else the first for all other calls.
    fn window_for(&mut self, path: &str) -> Option<&mut SlidingWindow> {
        let special = |lane: &Lane| lane.paths.iter().any(|suffix| path.ends_with(&**suffix));
        let index = self
            .windows
            .iter()
            .position(special)
            .or_else(|| self.windows.iter().position(|lane| lane.paths.is_empty()))?;
        self.windows.get_mut(index).map(|lane| &mut lane.window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use connectus_core::provider::Window;

    fn limits() -> Limits {
        let window = |name: &str, calls, per_ms, paths: &[&str]| Window {
            name: name.into(),
            calls,
            per_ms,
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        };
        Limits {
            windows: vec![
                window("search", 4, 1_000, &["/search"]),
                window("default", 110, 10_000, &[]),
            ],
            daily: Some(1_000),
            ..Limits::default()
        }
    }

    const NOON: Timestamp = Timestamp::from_secs(1_700_049_600);

    #[test]
    fn each_path_counts_against_its_own_window() {
        let mut budget = Budget::new(&limits());
        for _ in 0..4 {
            assert_eq!(budget.next_slot(NOON, "/crm/v3/objects/contacts/search"), Ok(()));
        }
        assert!(budget.next_slot(NOON, "/crm/v3/objects/contacts/search").is_err());
        for _ in 0..110 {
            assert_eq!(budget.next_slot(NOON, "/crm/v3/objects/contacts"), Ok(()));
        }
        let wait = budget.next_slot(NOON, "/crm/v3/objects/contacts").unwrap_err();
        assert_eq!(budget.next_slot(Timestamp(NOON.0 + wait), "/crm/v3/objects/contacts"), Ok(()));
        assert_eq!(budget.view(NOON).calls_today, 115);
    }

    #[test]
    fn a_refusal_closes_the_budget_for_the_time_named() {
        let mut budget = Budget::new(&limits());
        budget.observe(NOON, Vec::new(), true, Some(30));
        assert_eq!(budget.next_slot(NOON.plus_secs(29), "/"), Err(1_000_000));
        assert_eq!(budget.next_slot(NOON.plus_secs(30), "/"), Ok(()));
        budget.observe(NOON.plus_secs(30), Vec::new(), true, Some(u64::MAX));
        assert_eq!(budget.next_slot(NOON.plus_secs(30 + 3_600), "/"), Ok(()), "an hour at most");
    }

    #[test]
    fn refusals_without_a_time_wait_longer_each_time() {
        let mut budget = Budget::new(&limits());
        let mut waits = Vec::new();
        for _ in 0..3 {
            budget.observe(NOON, Vec::new(), true, None);
            waits.push(budget.next_slot(NOON, "/").unwrap_err() / 1_000_000);
        }
        assert_eq!(waits, [2, 4, 8]);
        budget.observe(NOON.plus_secs(9), Vec::new(), false, None);
        budget.observe(NOON.plus_secs(9), Vec::new(), true, None);
        assert_eq!(budget.next_slot(NOON.plus_secs(9), "/"), Err(2_000_000));
    }

    #[test]
    fn forecasts_the_end_of_the_day_s_budget_and_forgets_it_at_midnight() {
        let mut budget = Budget::new(&limits());
        assert_eq!(budget.next_slot(NOON, "/"), Ok(()));
        let day = Daily { max: 500, remaining: 10 };
        assert_eq!(budget.observe(NOON, vec![Told::Day(day)], false, None), Some(day));
        for second in 1..10 {
            assert_eq!(budget.next_slot(NOON.plus_secs(second), "/"), Ok(()));
        }
        let view = budget.view(NOON.plus_secs(10));
        assert_eq!(view.daily_limit, Some(500));
        assert_eq!(view.daily_remaining, Some(1));
        assert_eq!(view.exhausted_in_secs, Some(1));
        let tomorrow = budget.view(NOON.plus_secs(DAY_SECS));
        assert_eq!((tomorrow.calls_today, tomorrow.daily_remaining), (0, Some(500)));
        assert_eq!(tomorrow.exhausted_in_secs, None);
    }
}
