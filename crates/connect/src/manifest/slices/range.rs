//! How far one partition has been read: the intervals that are done, and the state they make.

use std::{collections::HashMap, sync::Arc};

use connectus_core::{Env, Error, Result};
use serde_json::{Map, Value};

use super::range_plan::{RangePlan, later};
use crate::manifest::interpolation::datetime::{Moment, Span};

/// The cursor of one partition.
#[derive(Debug)]
pub struct Range {
    plan: Arc<RangePlan>,
    /// Where the stream begins, by its settings.
    start: Moment,
    /// What has been read up to.
    since: Moment,
    /// Members of the state that came in, kept as they are.
    legacy: Map<String, Value>,
    done: Vec<Interval>,
    /// The newest record of each range under way.
    newest: HashMap<String, Moment>,
}

/// A range that has been read.
#[derive(Clone, Copy, Debug)]
struct Interval {
    start: Moment,
    end: Moment,
    newest: Option<Moment>,
}

impl Range {
    /// Goes on from a state; `lookback` is taken off it, for what may have been missed.
    ///
    /// # Errors
    /// `invalid` when state or settings hold no time.
    pub fn begin(
        plan: &Arc<RangePlan>,
        state: &Map<String, Value>,
        lookback: Option<&Span>,
        env: &Env,
        config: &Value,
    ) -> Result<Self> {
        let start = plan.start(env, config)?;
        let mut range = Self {
            plan: plan.clone(),
            start,
            since: start,
            legacy: state.clone(),
            done: Vec::new(),
            newest: HashMap::new(),
        };
        if state.get("state_type").and_then(Value::as_str) == Some("date-range") {
            range.read_intervals(state)?;
            return Ok(range);
        }
        if let Some(value) = state.get(&plan.field) {
            let mut since = plan.parse(value)?;
            if let Some(lookback) = lookback.filter(|lookback| lookback.micros() != 0) {
                since = since.minus(lookback)?;
                range.legacy.insert(plan.field.clone(), plan.write(&since));
            }
            range.since = later(start, since);
        }
        range.done = vec![Interval { start, end: range.since, newest: Some(range.since) }];
        Ok(range)
    }

    fn read_intervals(&mut self, state: &Map<String, Value>) -> Result<()> {
        self.legacy = state.get("legacy").and_then(Value::as_object).cloned().unwrap_or_default();
        let intervals = state.get("slices").and_then(Value::as_array).into_iter().flatten();
        for interval in intervals {
            let at = |name: &str| {
                let value = interval.get(name).filter(|value| !value.is_null());
                value.map(|value| self.plan.parse(value)).transpose()
            };
            let lacks = || Error::invalid("state.slices", "need a start and an end");
            let (start, end) = (at("start")?.ok_or_else(lacks)?, at("end")?.ok_or_else(lacks)?);
            let newest = at("most_recent_cursor_value")?;
            self.done.push(Interval { start, end, newest });
        }
        let first = self.done.first().map(|first| first.newest.unwrap_or(first.end));
        self.since = first.unwrap_or(self.start);
        Ok(())
    }

    /// The ranges still to be read, in the order of time.
    ///
    /// # Errors
    /// `invalid` when the settings hold no time, or there would be too many.
    pub fn slices(&mut self, env: &Env, config: &Value) -> Result<Vec<(Moment, Moment)>> {
        self.merge()?;
        let end = self.plan.end(env, config)?;
        let mut ranges = Vec::new();
        let Some(first) = self.done.first() else { return Ok(ranges) };
        let (start, plan) = (&self.start, &self.plan);
        if *start < first.start {
            plan.cut((*start, first.start), false, start, &mut ranges)?;
        }
        for pair in self.done.windows(2) {
            let [before, after] = pair else { continue };
            let from = if plan.has_granularity() { plan.next(&before.end)? } else { before.end };
            plan.cut((from, after.start), false, start, &mut ranges)?;
        }
        let Some(last) = self.done.last() else { return Ok(ranges) };
        plan.cut((plan.look_back(&last.end)?, end), true, start, &mut ranges)?;
        Ok(ranges)
    }

    /// A record of this range was read. One without a time does not move the cursor.
    pub fn observe(&mut self, key: &str, value: Option<&Value>) {
        let Some(Ok(at)) = value.map(|value| self.plan.parse(value)) else { return };
        match self.newest.get_mut(key) {
            Some(newest) if *newest >= at => {}
            Some(newest) => *newest = at,
            None => {
                self.newest.insert(key.to_owned(), at);
            }
        }
    }

    /// A range was read to its end.
    ///
    /// # Errors
    /// `invalid` when the slice has no times.
    pub fn close(&mut self, key: &str, cursor: &Map<String, Value>) -> Result<()> {
        let at = |name: &str| self.plan.parse(cursor.get(name).unwrap_or(&Value::Null));
        let (start, end) = (at(&self.plan.start_key)?, at(&self.plan.end_key)?);
        self.done.push(Interval { start, end, newest: self.newest.remove(key) });
        self.merge()
    }

    /// Intervals that touch become one.
    fn merge(&mut self) -> Result<()> {
        self.done.sort_by_key(|one| (one.start.timestamp(), one.end.timestamp()));
        let mut merged: Vec<Interval> = Vec::with_capacity(self.done.len());
        for one in self.done.drain(..) {
            match merged.last_mut() {
                Some(last) if self.plan.next(&last.end)? >= one.start => {
                    last.end = later(last.end, one.end);
                    last.newest = match (last.newest, one.newest) {
                        (Some(a), Some(b)) => Some(later(a, b)),
                        (a, b) => a.or(b),
                    };
                }
                _ => merged.push(one),
            }
        }
        self.done = merged;
        Ok(())
    }

    /// The field of a record that holds the time.
    pub fn field(&self) -> &str {
        &self.plan.field
    }

    /// The keys of a range in a slice.
    pub fn keys(&self, range: &(Moment, Moment)) -> Map<String, Value> {
        self.plan.keys(range)
    }

    /// The time before which everything was read.
    pub fn complete(&self) -> Option<Moment> {
        self.done.first().map(|first| first.newest.unwrap_or(first.start))
    }

    /// The state to go on from.
    pub fn state(&self) -> Map<String, Value> {
        let mut state = self.legacy.clone();
        if let Some(at) = self.complete() {
            state.insert(self.plan.field.clone(), self.plan.write(&at));
        }
        state
    }

    /// Whether a record is new, by its time.
    ///
    /// # Errors
    /// `invalid` when the settings hold no time.
    pub fn is_new(&self, value: Option<&Value>, env: &Env, config: &Value) -> Result<bool> {
        let Some(Ok(at)) = value.map(|value| self.plan.parse(value)) else { return Ok(true) };
        let lowest = if self.plan.looks_back() {
            let floor = if self.since < self.start { self.since } else { self.start };
            self.plan.look_back(&self.since).map_or(self.since, |back| later(back, floor))
        } else {
            self.since
        };
        Ok(lowest <= at && at <= self.plan.end(env, config)?)
    }
}
