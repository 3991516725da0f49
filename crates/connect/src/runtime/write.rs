//! Writes rows of a flow to the provider, and says row by row what became of them.

use connectus_core::{Error, Result};
use serde_json::{Map, Value, json};

use super::{ActionOutcome, Connection};
use crate::plan::{WriteCallPlan, WritePlan};

/// What is done with the things of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WriteKind {
    /// Made, or changed where they are there.
    Upsert,
    /// Changed, by their ids.
    Update,
    /// Removed, by their ids.
    Delete,
}

/// A row to write.
#[derive(Clone, Debug, Default)]
pub struct Sending {
    /// The provider's id of it, where it is known.
    pub id: Option<String>,
    /// The value of the field that identifies it.
    pub matching: String,
    /// Its fields, by the provider's names; a dotted name is a path.
    pub row: Map<String, Value>,
}

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Written; the provider's id of it, where the answer says so.
    Done(Option<String>),
    /// Refused, in the provider's words.
    Refused(String),
}

/// What a write did.
#[derive(Clone, Debug, Default)]
pub struct WriteOutcome {
    /// What became of each row, in their order.
    pub rows: Vec<Sent>,
    /// Calls made.
    pub calls: u32,
}

impl Connection {
    /// The most rows of a kind that one call takes; none when the stream cannot be written so.
    pub fn write_limit(&self, stream: &str, kind: WriteKind) -> Option<usize> {
        let write = self.stream(stream).ok()?.write.as_ref()?;
        let action = self.0.plan.actions.get(&*call_of(write, kind)?.action)?;
        Some(action.batch.as_ref().map_or(1, |batch| batch.max))
    }

    /// Writes rows, no more than [`Self::write_limit`]; `match_field` is the field that
    /// identifies them. The same rows under the same `key` are harmless to write again.
    ///
    /// # Errors
    /// `not_found` for a stream that cannot be written so, else as any call; then nothing is
    /// known of any row.
    pub async fn write(
        &self,
        stream: &str,
        kind: WriteKind,
        match_field: &str,
        rows: &[Sending],
        key: &str,
    ) -> Result<WriteOutcome> {
        let plan = self.stream(stream)?.clone();
        let write = plan.write.as_ref().ok_or_else(|| Error::not_found("way to write"))?;
        let call = call_of(write, kind).ok_or_else(|| Error::not_found("way to write"))?;
        let action = self.0.plan.actions.get(&*call.action);
        let batch = action.and_then(|action| action.batch.as_ref());
        let mut input = Map::new();
        let about = json!(match_field);
        for (name, node) in &call.input {
            let scope = [("match_field", &about), ("config", &self.0.site.config)];
            if let Some(value) = node.render(&scope)? {
                input.insert(name.to_string(), value);
            }
        }
        let mut items = Vec::with_capacity(rows.len());
        for row in rows {
            items.push(item(call, write, row)?);
        }
        match (batch, items.pop()) {
            (Some(batch), Some(last)) => {
                items.push(last);
                input.insert(batch.field.to_string(), Value::Array(items));
            }
            (None, Some(Value::Object(members))) => input.extend(members),
            _ => return Ok(WriteOutcome::default()),
        }
        let outcome = self.call(&call.action, &Value::Object(input), key).await?;
        Ok(WriteOutcome { calls: outcome.calls, rows: fates(rows, outcome) })
    }
}

fn call_of(write: &WritePlan, kind: WriteKind) -> Option<&WriteCallPlan> {
    match kind {
        WriteKind::Upsert => Some(&write.upsert),
        WriteKind::Update => write.update.as_ref(),
        WriteKind::Delete => write.delete.as_ref(),
    }
}

fn item(call: &WriteCallPlan, write: &WritePlan, sending: &Sending) -> Result<Value> {
    let row = nested(&sending.row, write.clear.as_ref());
    let (id, matching) = (json!(sending.id), json!(sending.matching));
    let scope = [("row", &row), ("id", &id), ("match", &matching)];
    Ok(call.item.render(&scope)?.unwrap_or(Value::Null))
}

/// A row whose dotted names are paths. What is null becomes what empties a field.
fn nested(row: &Map<String, Value>, clear: Option<&Value>) -> Value {
    let mut top = Map::new();
    for (name, value) in row {
        let value = match (value, clear) {
            (Value::Null, Some(clear)) => clear.clone(),
            (value, _) => value.clone(),
        };
        put(&mut top, name, value);
    }
    Value::Object(top)
}

fn put(fields: &mut Map<String, Value>, name: &str, value: Value) {
    let Some((first, rest)) = name.split_once('.') else {
        fields.insert(name.to_owned(), value);
        return;
    };
    let inner = fields.entry(first).or_insert(Value::Null);
    if !inner.is_object() {
        *inner = json!({});
    }
    if let Value::Object(inner) = inner {
        put(inner, rest, value);
    }
}

/// What became of each row. One that the answer does not name was done, unless something was
/// refused that cannot be told apart.
fn fates(rows: &[Sending], outcome: ActionOutcome) -> Vec<Sent> {
    let unnamed = outcome.failed.iter().find(|failure| failure.index.is_none());
    let otherwise = match unnamed {
        Some(failure) => Sent::Refused(failure.message.clone()),
        None => Sent::Done(None),
    };
    let mut fates = vec![otherwise; rows.len()];
    let only = rows.len() == 1 && outcome.ids.len() == 1;
    for (place, id) in outcome.places.iter().zip(&outcome.ids) {
        let place = place.or_else(|| only.then_some(0));
        if let Some(fate) = place.and_then(|place| fates.get_mut(place)) {
            *fate = Sent::Done(Some(id.clone()));
        }
    }
    for failure in outcome.failed {
        if let Some(fate) = failure.index.and_then(|place| fates.get_mut(place)) {
            *fate = Sent::Refused(failure.message);
        }
    }
    fates
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::ItemFailure;

    #[test]
    fn dotted_names_are_paths_and_null_empties() {
        let row = json!({"email": "a@b.c", "merge_fields.FNAME": "Ada", "merge_fields.LNAME": null,
            "email.odd": 1});
        let Value::Object(row) = row else { panic!("an object") };
        let nested = nested(&row, Some(&json!("")));
        assert_eq!(nested["merge_fields"], json!({"FNAME": "Ada", "LNAME": ""}));
        assert_eq!(nested["email"], json!({"odd": 1}));
    }

    #[test]
    fn every_row_learns_its_fate() {
        let rows = vec![Sending::default(); 3];
        let outcome = ActionOutcome {
            ids: vec!["9".into(), "7".into()],
            places: vec![Some(2), Some(0)],
            failed: vec![ItemFailure { index: Some(1), message: "no".into() }],
            ..ActionOutcome::default()
        };
        let done = |id: &str| Sent::Done(Some(id.into()));
        assert_eq!(fates(&rows, outcome), [done("7"), Sent::Refused("no".into()), done("9")]);
        let vague = ActionOutcome {
            ids: vec!["7".into()],
            places: vec![Some(0)],
            failed: vec![ItemFailure { index: None, message: "no".into() }],
            ..ActionOutcome::default()
        };
        let no = || Sent::Refused("no".into());
        assert_eq!(fates(&rows, vague), [done("7"), no(), no()]);
    }
}
