//! How far a stream has been read, in whichever shape its manifest asks for.

use std::collections::HashMap;

use connectus_core::{Env, Result};
use serde_json::{Map, Value};

use super::{Count, PerPartition, Range, Slice, slice::key_of};
use crate::manifest::{records::Batch, stream::StreamPlan};

/// State of a stream that is read whole every time.
const NO_CURSOR: &str = "__ab_no_cursor_state_message";

/// The cursor of a stream.
#[derive(Debug)]
pub enum Cursor {
    /// It is read whole.
    None,
    /// One range of time.
    Range(Range),
    /// A number.
    Count(Count),
    /// A range of time for each partition.
    PerPartition(Box<PerPartition>),
}

impl Cursor {
    /// Goes on from a state.
    ///
    /// # Errors
    /// `invalid` when state or settings hold no time.
    pub fn begin(
        stream: &StreamPlan,
        single: bool,
        state: &Map<String, Value>,
        env: &Env,
        config: &Value,
    ) -> Result<Self> {
        let mut state = state.clone();
        state.remove(NO_CURSOR);
        if let Some(plan) = &stream.count {
            return Count::begin(plan, &state).map(Self::Count);
        }
        let Some(plan) = &stream.range else { return Ok(Self::None) };
        if single {
            return Range::begin(plan, &state, None, env, config).map(Self::Range);
        }
        PerPartition::begin(plan, &state, env, config).map(Box::new).map(Self::PerPartition)
    }

    /// States to begin parents with.
    pub fn parent_states(&self) -> HashMap<String, Map<String, Value>> {
        match self {
            Self::PerPartition(cursor) => cursor.parent_states(),
            _ => HashMap::new(),
        }
    }

    /// The slices of a partition still to be read.
    ///
    /// # Errors
    /// `invalid` when the settings hold no time.
    pub fn slices(
        &mut self,
        partition: Slice,
        parents: Option<Map<String, Value>>,
        env: &Env,
        config: &Value,
    ) -> Result<Vec<Slice>> {
        match self {
            Self::None => Ok(vec![partition]),
            Self::Count(count) => Ok(vec![partition.with_cursor(count.keys())]),
            Self::Range(range) => {
                let ranges = range.slices(env, config)?;
                Ok(ranges.iter().map(|one| partition.with_cursor(range.keys(one))).collect())
            }
            Self::PerPartition(cursor) => cursor.slices(&partition, parents, env, config),
        }
    }

    /// Records of a slice were handed out.
    pub fn observe(&mut self, slice: &Slice, batch: &Batch) {
        match self {
            Self::None => {}
            Self::Count(count) => count.observe(batch),
            Self::Range(range) => {
                let key = key_of(slice.cursor());
                let field = range.field().to_owned();
                (0..batch.len())
                    .for_each(|index| range.observe(&key, batch.field(index, &field).as_deref()));
            }
            Self::PerPartition(cursor) => cursor.observe(slice, batch),
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
        match self {
            Self::None | Self::Count(_) => Ok(true),
            Self::Range(range) => {
                range.is_new(batch.field(index, range.field()).as_deref(), env, config)
            }
            Self::PerPartition(cursor) => cursor.is_new(slice, batch, index, env, config),
        }
    }

    /// A slice was read to its end. Answers the state to emit now, if any.
    ///
    /// # Errors
    /// `invalid` when the slice has no times.
    pub fn close(&mut self, slice: &Slice, env: &Env) -> Result<Option<Map<String, Value>>> {
        match self {
            Self::None => Ok(None),
            Self::Count(count) => Ok(Some(count.state())),
            Self::Range(range) => {
                range.close(&key_of(slice.cursor()), slice.cursor())?;
                Ok(Some(range.state()))
            }
            Self::PerPartition(cursor) => cursor.close(slice, env),
        }
    }

    /// The stream was read to its end.
    pub fn finish(&mut self, parents: Option<Map<String, Value>>, env: &Env) {
        if let Self::PerPartition(cursor) = self {
            cursor.finish(parents, env);
        }
    }

    /// The state to go on from.
    pub fn state(&self) -> Map<String, Value> {
        match self {
            Self::None => Map::from_iter([(NO_CURSOR.to_owned(), true.into())]),
            Self::Range(range) => range.state(),
            Self::Count(count) => count.state(),
            Self::PerPartition(cursor) => cursor.state(),
        }
    }
}
