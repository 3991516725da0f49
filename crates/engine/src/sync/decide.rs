//! What writing mapped rows would change, row by row. The sync and its preview ask the same.

use std::collections::HashMap;

use connectus_core::{
    Result, TenantCtx, Timestamp,
    collection::Record,
    error::FieldError,
    flow::{ConflictPolicy, FieldChange, RowDiff, Winner, diff},
};
use connectus_store::{Conn, records::RecordState};
use serde_json::{Map, Value};

use super::{intake::Taken, plan::Plan};

/// What becomes of a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Decision {
    /// The record does not exist yet.
    Create,
    /// Some fields of the record change; the others stay.
    Update {
        /// All fields of the record afterwards.
        merged: Map<String, Value>,
        /// Which change.
        changes: Vec<FieldChange>,
        /// Who stays answerable for the record, where someone here has written it: the flow only
        /// adds what it lacks.
        keeper: Option<String>,
    },
    /// Nothing changes.
    Unchanged,
    /// Someone changed the record here, by the flow's policy that change stays, and nothing is
    /// left to add.
    Keep,
    /// The row must not be written.
    Refuse(FieldError),
}

/// Decides about rows, in their order. `forced`: a person has decided that the source wins.
///
/// # Errors
/// What the database says.
pub(crate) async fn decide(
    conn: &mut Conn,
    ctx: &TenantCtx,
    plan: &Plan,
    rows: &[Taken],
    forced: bool,
) -> Result<Vec<Decision>> {
    let keys: Vec<&str> = rows.iter().map(|row| row.key.as_str()).collect();
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let destination = &plan.flow.destination;
    let states = conn.record_states(ctx, destination, &keys).await?;
    if states.is_empty() {
        return Ok(vec![Decision::Create; rows.len()]);
    }
    let states: HashMap<&str, &RecordState> =
        states.iter().map(|state| (state.key.as_str(), state)).collect();
    // Only rows whose hash differs are worth reading what is there.
    let differing: Vec<&str> = rows
        .iter()
        .filter(|row| states.get(row.key.as_str()).is_some_and(|state| state.hash != row.hash))
        .map(|row| row.key.as_str())
        .collect();
    let records = if differing.is_empty() {
        Vec::new()
    } else {
        conn.records_by_keys(ctx, destination, &differing).await?
    };
    let records: HashMap<&str, &Record> =
        records.iter().map(|record| (record.key.as_str(), record)).collect();
    Ok(rows
        .iter()
        .map(|row| {
            let key = row.key.as_str();
            one(plan, row, states.get(key).copied(), records.get(key).copied(), forced)
        })
        .collect())
}

fn one(
    plan: &Plan,
    row: &Taken,
    state: Option<&RecordState>,
    record: Option<&Record>,
    forced: bool,
) -> Decision {
    let Some(state) = state else { return Decision::Create };
    if let Some(origin) = state.origin.as_ref().filter(|origin| plan.others.contains(origin)) {
        return Decision::Refuse(claimed(plan, &row.key, origin.as_str()));
    }
    let Some(record) = record else { return Decision::Unchanged };
    let RowDiff::Update { fields: changes } = diff(Some(&record.data), &row.fields) else {
        return Decision::Unchanged;
    };
    let ours = state.source.starts_with(connectus_core::FlowId::PREFIX);
    if !ours && !forced {
        // A field that the record lacks is nobody's change: there is no conflict about it.
        let clash = |change: &&FieldChange| record.data.contains_key(&change.field);
        let clashes: Vec<&FieldChange> = changes.iter().filter(clash).collect();
        match winner(plan.flow.conflict_policy, row.changed_at, state.updated_at) {
            Winner::Source => {}
            Winner::Undecided if !clashes.is_empty() => {
                return Decision::Refuse(undecided(&clashes));
            }
            Winner::Target | Winner::Undecided => return fill(record, changes, &state.source),
        }
    }
    let mut merged = record.data.clone();
    merged.extend(row.fields.iter().map(|(name, value)| (name.clone(), value.clone())));
    Decision::Update { merged, changes, keeper: None }
}

/// The refusal of a row whose record came from another integration.
pub(super) fn claimed(plan: &Plan, key: &str, origin: &str) -> FieldError {
    let to = &plan.flow.destination;
    FieldError {
        field: "id".into(),
        message: format!(
            "integration {origin} already keeps a record `{key}` in {to}. Let one of the two flows \
             write to another destination."
        ),
    }
}

/// Adds the fields that a record written here lacks.
fn fill(record: &Record, changes: Vec<FieldChange>, keeper: &str) -> Decision {
    let mut missing = changes;
    missing.retain(|change| !record.data.contains_key(&change.field));
    if missing.is_empty() {
        return Decision::Keep;
    }
    let mut merged = record.data.clone();
    merged.extend(missing.iter().map(|change| (change.field.clone(), change.after.clone())));
    Decision::Update { merged, changes: missing, keeper: Some(keeper.to_owned()) }
}

/// A source that does not say when a record changed has changed it last: that is why it was read.
fn winner(policy: ConflictPolicy, source: Option<Timestamp>, target: Timestamp) -> Winner {
    policy.decide(source.unwrap_or(Timestamp(i64::MAX)), target)
}

pub(super) fn undecided(changes: &[&FieldChange]) -> FieldError {
    let fields: Vec<&str> = changes.iter().map(|change| change.field.as_str()).collect();
    FieldError {
        field: fields.join(", "),
        message: "was changed on both sides. Replay this row to take the provider's value, or \
                  change it at the provider."
            .into(),
    }
}
