//! A cursor for each partition, and one over all of them for partitions that are new.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use connectus_core::{Env, Error, Result, Timestamp};
use serde_json::{Map, Value, json};

use super::{Range, RangePlan, Slice, slice::key_of};
use crate::manifest::{
    interpolation::datetime::{Moment, Span},
    records::Batch,
};

/// Partitions whose cursors are kept one by one; beyond it all share one.
const MAX_KEPT: usize = 10_000;
/// Cursors held in memory.
const MAX_HELD: usize = 25_000;
/// Time between states on the way, in microseconds. A state names every partition.
const EMIT_EVERY_MICROS: i64 = 600 * 1_000_000;

/// The cursors of a stream that has partitions.
#[derive(Debug)]
pub struct PerPartition {
    plan: Arc<RangePlan>,
    held: HashMap<String, Held>,
    /// Keys in the order in which they came.
    order: VecDeque<String>,
    count: usize,
    shared: Option<Moment>,
    newest: Option<Moment>,
    lookback_secs: i64,
    only_shared: bool,
    parents: Option<Map<String, Value>>,
    synced: bool,
    started: Option<Timestamp>,
    emitted: Option<Timestamp>,
    /// The partition under way.
    now: Option<Now>,
}

#[derive(Debug)]
struct Held {
    partition: Map<String, Value>,
    range: Range,
    /// Met in this read already.
    met: bool,
}

#[derive(Debug)]
struct Now {
    key: String,
    left: usize,
    parents: Option<Map<String, Value>>,
}

impl PerPartition {
    /// Goes on from a state: by partition, or one for all.
    ///
    /// # Errors
    /// `invalid` when state or settings hold no time.
    pub fn begin(
        plan: &Arc<RangePlan>,
        state: &Map<String, Value>,
        env: &Env,
        config: &Value,
    ) -> Result<Self> {
        let mut cursor = Self {
            plan: plan.clone(),
            held: HashMap::new(),
            order: VecDeque::new(),
            count: 0,
            shared: None,
            newest: None,
            lookback_secs: 0,
            only_shared: plan.global,
            parents: None,
            synced: false,
            started: None,
            emitted: None,
            now: None,
        };
        if !state.contains_key("states") && !state.contains_key("state") {
            cursor.share(state)?;
        } else {
            cursor.only_shared |= state.get("use_global_cursor") == Some(&Value::Bool(true));
            cursor.lookback_secs =
                state.get("lookback_window").and_then(Value::as_i64).unwrap_or(0);
            for one in state.get("states").and_then(Value::as_array).into_iter().flatten() {
                let part = |name: &str| one.get(name).and_then(Value::as_object);
                let (Some(partition), Some(own)) = (part("partition"), part("cursor")) else {
                    return Err(Error::invalid("state.states", "need a partition and a cursor"));
                };
                let range = Range::begin(plan, own, None, env, config)?;
                cursor.hold(partition.clone(), range, false);
            }
            if let Some(shared) = state.get("state").and_then(Value::as_object) {
                cursor.share(shared)?;
            }
        }
        cursor.parents = state.get("parent_state").and_then(Value::as_object).cloned();
        Ok(cursor)
    }

    fn share(&mut self, state: &Map<String, Value>) -> Result<()> {
        if let Some(value) = state.get(&self.plan.field) {
            let at = self.plan.parse(value)?;
            (self.shared, self.newest) = (Some(at), Some(at));
        }
        Ok(())
    }

    fn hold(&mut self, partition: Map<String, Value>, range: Range, met: bool) -> String {
        let key = key_of(&partition);
        self.count += 1;
        if self.held.insert(key.clone(), Held { partition, range, met }).is_none() {
            self.order.push_back(key.clone());
        }
        key
    }

    /// States to begin parents with: what the child kept of them, or its own over all.
    pub fn parent_states(&self) -> HashMap<String, Map<String, Value>> {
        let parents = self.parents.iter().flatten();
        let object = |(name, state): (&String, &Value)| {
            Some((name.clone(), state.as_object().filter(|state| !state.is_empty())?.clone()))
        };
        parents.filter_map(object).collect()
    }

    /// The slices of a partition; none when it came before in this read.
    ///
    /// # Errors
    /// `invalid` when the settings hold no time.
    pub fn slices(
        &mut self,
        partition: &Slice,
        parents: Option<Map<String, Value>>,
        env: &Env,
        config: &Value,
    ) -> Result<Vec<Slice>> {
        self.started = self.started.or_else(|| Some(env.now()));
        self.only_shared |= self.count > MAX_KEPT;
        self.forget();
        let mut key = partition.partition_key();
        if !self.held.contains_key(&key) {
            let mut state = Map::new();
            let mut lookback = None;
            if let Some(shared) = &self.shared {
                state.insert(self.plan.field.clone(), self.plan.write(shared));
                lookback = Span::of_micros(i128::from(self.lookback_secs) * 1_000_000);
            }
            let range = Range::begin(&self.plan, &state, lookback.as_ref(), env, config)?;
            key = self.hold(partition.partition().clone(), range, false);
        }
        let Some(held) = self.held.get_mut(&key) else { return Ok(Vec::new()) };
        if std::mem::replace(&mut held.met, true) {
            return Ok(Vec::new());
        }
        let ranges = held.range.slices(env, config)?;
        let slices: Vec<_> =
            ranges.iter().map(|one| partition.with_cursor(held.range.keys(one))).collect();
        self.now = Some(Now { key, left: slices.len(), parents });
        Ok(slices)
    }

    /// Drops the oldest cursors that are of no use any more.
    fn forget(&mut self) {
        while self.held.len() >= MAX_HELD {
            let now = self.now.as_ref().map(|now| now.key.as_str());
            let Some(place) = self.order.iter().position(|key| Some(key.as_str()) != now) else {
                return;
            };
            if let Some(key) = self.order.remove(place) {
                self.held.remove(&key);
            }
        }
    }

    /// Records of a slice were handed out.
    pub fn observe(&mut self, slice: &Slice, batch: &Batch) {
        let key = slice.partition_key();
        let within = key_of(slice.cursor());
        for index in 0..batch.len() {
            let Some(value) = batch.field(index, &self.plan.field) else { continue };
            let Ok(at) = self.plan.parse(&value) else { continue };
            self.synced = true;
            self.newest = Some(self.newest.filter(|newest| *newest >= at).unwrap_or(at));
            if !self.only_shared
                && let Some(held) = self.held.get_mut(&key)
            {
                held.range.observe(&within, Some(&value));
            }
        }
    }

    /// Whether a record is new, by its time.
    ///
    /// # Errors
    /// `invalid` when the settings hold no time.
    pub fn is_new(
        &self,
        slice: &Slice,
        batch: &Batch,
        index: usize,
        env: &Env,
        config: &Value,
    ) -> Result<bool> {
        let value = batch.field(index, &self.plan.field);
        match self.held.get(&slice.partition_key()) {
            Some(held) => held.range.is_new(value.as_deref(), env, config),
            None => Ok(true),
        }
    }

    /// A slice was read to its end. Answers the state to emit now, if it is time for one.
    ///
    /// # Errors
    /// `invalid` when the slice has no times.
    pub fn close(&mut self, slice: &Slice, env: &Env) -> Result<Option<Map<String, Value>>> {
        let key = slice.partition_key();
        let last = self.now.as_mut().is_some_and(|now| {
            now.left = now.left.saturating_sub(1);
            now.left == 0
        });
        if !self.only_shared
            && let Some(held) = self.held.get_mut(&key)
        {
            held.range.close(&key_of(slice.cursor()), slice.cursor())?;
            if let Some(at) = held.range.complete().filter(|_| last) {
                self.newest = Some(self.newest.filter(|newest| *newest >= at).unwrap_or(at));
            }
        }
        if let Some(now) = self.now.take_if(|_| last) {
            self.parents = now.parents.or(self.parents.take());
        }
        let since = self.emitted.map_or(i64::MAX, |at| env.now().0.saturating_sub(at.0));
        if since <= EMIT_EVERY_MICROS {
            return Ok(None);
        }
        self.emitted = Some(env.now());
        let empty = self.parents.as_ref().is_none_or(Map::is_empty);
        Ok((!(self.only_shared && empty)).then(|| self.state()))
    }

    /// All partitions were read: what is new over all of them counts from now on.
    pub fn finish(&mut self, parents: Option<Map<String, Value>>, env: &Env) {
        if self.synced {
            self.shared = self.newest;
            let started = self.started.unwrap_or_else(|| env.now());
            let micros = env.now().0.saturating_sub(started.0);
            self.lookback_secs = micros.div_euclid(1_000_000) + 1;
        }
        self.parents = parents.or(self.parents.take());
    }

    /// The state to go on from.
    pub fn state(&self) -> Map<String, Value> {
        let mut state = Map::new();
        state.insert("use_global_cursor".into(), self.only_shared.into());
        if !self.only_shared {
            let states = self.order.iter().filter_map(|key| {
                let held = self.held.get(key)?;
                Some(json!({"partition": held.partition, "cursor": held.range.state()}))
            });
            state.insert("states".into(), states.collect());
        }
        if let Some(shared) = &self.shared {
            let shared = Map::from_iter([(self.plan.field.clone(), self.plan.write(shared))]);
            state.insert("state".into(), shared.into());
        }
        state.insert("lookback_window".into(), self.lookback_secs.into());
        if let Some(parents) = &self.parents {
            state.insert("parent_state".into(), parents.clone().into());
        }
        state
    }
}
