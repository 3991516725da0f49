//! An `IncrementingCountCursor`: a number that grows from record to record.

use std::{cmp::Ordering, sync::Arc};

use connectus_core::{Error, Result};
use serde_json::{Map, Number, Value};

use super::Slice;
use crate::manifest::{
    document::Component,
    interpolation::Scope,
    records::Batch,
    request::{Options, Slot},
    text::Text,
};

/// Key of a slice under which it begins.
const START: &str = "start";

/// A cursor that is a number, compiled.
#[derive(Debug)]
pub struct CountPlan {
    /// The field of a record.
    pub field: String,
    start: Number,
    slot: Option<Slot>,
}

impl CountPlan {
    /// Reads the cursor.
    ///
    /// # Errors
    /// `invalid` when it cannot be read.
    pub fn compile(cursor: &Component, scope: &Scope<'_>) -> Result<Self> {
        let start = match Text::read(cursor, "start_value")? {
            None => Number::from(0),
            Some(text) => {
                let text = text.string(scope)?;
                let start = text.trim().parse::<i64>().ok().map(Number::from);
                start.ok_or_else(|| cursor.wrong("start_value", "must be a whole number"))?
            }
        };
        let slot = cursor.component("start_value_option")?;
        Ok(Self {
            field: Text::need(cursor, "cursor_field")?.string(scope)?,
            slot: slot.map(|option| Slot::compile(&option, scope)).transpose()?,
            start,
        })
    }

    /// Puts the beginning of a slice into a request.
    pub fn options(&self, slice: &Slice, options: &mut Options) {
        if let (Some(slot), Some(value)) = (&self.slot, slice.cursor().get(START)) {
            slot.put(options, value.clone());
        }
    }
}

/// How far a stream has been read.
#[derive(Debug)]
pub struct Count {
    plan: Arc<CountPlan>,
    since: Number,
    newest: Number,
    legacy: Map<String, Value>,
}

impl Count {
    /// Goes on from a state.
    ///
    /// # Errors
    /// `invalid` when the state holds no number.
    pub fn begin(plan: &Arc<CountPlan>, state: &Map<String, Value>) -> Result<Self> {
        let since = match state.get(&plan.field) {
            None | Some(Value::Null) => plan.start.clone(),
            Some(Value::Number(number)) => larger(number, &plan.start),
            Some(_) => {
                return Err(Error::invalid(format!("state.{}", plan.field), "must be a number"));
            }
        };
        Ok(Self { plan: plan.clone(), newest: since.clone(), since, legacy: state.clone() })
    }

    /// The keys of the one slice there is.
    pub fn keys(&self) -> Map<String, Value> {
        Map::from_iter([(START.to_owned(), Value::Number(self.since.clone()))])
    }

    /// Records were handed out. What is no number, and what is smaller, does not move the cursor.
    pub fn observe(&mut self, batch: &Batch) {
        for index in 0..batch.len() {
            if let Some(Value::Number(number)) = batch.field(index, &self.plan.field).as_deref() {
                self.newest = larger(&self.newest, number);
            }
        }
    }

    /// The state to go on from.
    pub fn state(&self) -> Map<String, Value> {
        let mut state = self.legacy.clone();
        state.insert(self.plan.field.clone(), Value::Number(self.newest.clone()));
        state
    }
}

fn larger(a: &Number, b: &Number) -> Number {
    let whole = a.as_i64().zip(b.as_i64()).map(|(a, b)| a.cmp(&b));
    let order = whole.or_else(|| a.as_f64()?.partial_cmp(&b.as_f64()?));
    if order == Some(Ordering::Less) { b.clone() } else { a.clone() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_number_that_goes_backwards_does_not_move_the_cursor() {
        let plan = Arc::new(CountPlan { field: "id".into(), start: 3.into(), slot: None });
        let state = json!({"id": 7, "other": 1}).as_object().cloned().unwrap();
        let mut count = Count::begin(&plan, &state).unwrap();
        assert_eq!(count.keys()["start"], 7);
        let rows = json!([{"id": 5}, {"id": 9}, {"id": "x"}, {}, {"id": 8.5}, {"id": null}]);
        let rows = rows.as_array().unwrap().iter().filter_map(Value::as_object).cloned();
        count.observe(&Batch::Built(rows.collect()));
        assert_eq!(Value::Object(count.state()), json!({"id": 9, "other": 1}));
        let low = json!({"id": 1}).as_object().cloned().unwrap();
        assert_eq!(Count::begin(&plan, &low).unwrap().keys()["start"], 3);
        let bad = json!({"id": "7"}).as_object().cloned().unwrap();
        assert!(Count::begin(&plan, &bad).is_err());
    }
}
