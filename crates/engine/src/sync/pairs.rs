//! What comes in, in a flow both ways: each of the provider's records meets the record here that
//! is the same thing.

use std::collections::HashMap;

use connectus_core::{
    Result, TenantCtx, Timestamp,
    collection::Record,
    flow::{
        FieldChange, RowDiff, diff,
        pair::{Arrival, Pair, Sides},
        row_hash,
    },
};
use connectus_store::{
    Conn,
    links::{Link, LinkBy, LinkState, match_key},
};
use serde_json::{Map, Value};

use super::{
    Decision,
    decide::{claimed, undecided},
    intake::Taken,
    outgoing::{Outgoing, pair_of, plain},
    plan::Plan,
};

/// What becomes of a row, and of which record.
pub(crate) struct Met {
    /// The key of the record here.
    pub key: String,
    /// Whether the record was here before, under a key that is not the provider's.
    pub joined: bool,
    /// What becomes of it.
    pub decision: Decision,
    /// The link, where it is to be written.
    pub link: Option<Link>,
}

/// Decides about rows, in their order. `forced`: a person has decided that the provider wins.
///
/// # Errors
/// What the database says.
pub(crate) async fn meet(
    conn: &mut Conn,
    ctx: &TenantCtx,
    plan: &Plan,
    out: &Outgoing,
    rows: &[Taken],
    forced: bool,
) -> Result<Vec<Met>> {
    let links = links_of(conn, ctx, plan, out, rows).await?;
    // What did not change needs no look at the record.
    let same = |row: &Taken, link: &Option<Link>| {
        !forced && link.as_ref().is_some_and(|link| link.there == Some(row.hash))
    };
    let keys: Vec<String> = rows
        .iter()
        .zip(&links)
        .map(|(row, link)| link.as_ref().map_or(&row.key, |link| &link.key).clone())
        .collect();
    let wanted: Vec<&str> = rows
        .iter()
        .zip(&links)
        .zip(&keys)
        .filter(|((row, link), _)| !same(row, link))
        .map(|(_, key)| key.as_str())
        .collect();
    let records = conn.records_by_keys(ctx, &plan.flow.destination, &wanted).await?;
    let records: HashMap<&str, &Record> =
        records.iter().map(|record| (record.key.as_str(), record)).collect();
    let foreign = foreign(conn, ctx, plan, &wanted).await?;
    let mut met = Vec::with_capacity(rows.len());
    for ((row, link), key) in rows.iter().zip(links).zip(keys) {
        let record = records.get(key.as_str()).copied();
        met.push(if let Some(origin) = foreign.get(&key) {
            let decision = Decision::Refuse(claimed(plan, &key, origin));
            Met { joined: key != row.key, key, decision, link: None }
        } else {
            one(plan, out, row, link, key, record, forced)
        });
    }
    Ok(met)
}

/// Records that came from another integration of the same provider.
async fn foreign(
    conn: &mut Conn,
    ctx: &TenantCtx,
    plan: &Plan,
    keys: &[&str],
) -> Result<HashMap<String, String>> {
    if plan.others.is_empty() || keys.is_empty() {
        return Ok(HashMap::new());
    }
    let states = conn.record_states(ctx, &plan.flow.destination, keys).await?;
    let other = |state: connectus_store::records::RecordState| {
        let origin = state.origin.filter(|origin| plan.others.contains(origin))?;
        Some((state.key, origin.to_string()))
    };
    Ok(states.into_iter().filter_map(other).collect())
}

/// The link of each row: by the provider's id, else by the value that says which thing it is, else
/// a new one with the record here that has that value. None where there is no such record.
async fn links_of(
    conn: &mut Conn,
    ctx: &TenantCtx,
    plan: &Plan,
    out: &Outgoing,
    rows: &[Taken],
) -> Result<Vec<Option<Link>>> {
    let flow = &plan.flow.id;
    let ids: Vec<&str> = rows.iter().map(Taken::source_key).collect();
    let known = conn.links(ctx, flow, LinkBy::Remote, &ids).await?;
    let mut known: HashMap<String, Link> =
        known.into_iter().map(|link| (link.remote_id.clone(), link)).collect();
    let value = |row: &Taken| row.fields.get(&out.match_here).map(plain).unwrap_or_default();
    let open: Vec<String> = rows
        .iter()
        .filter(|row| !known.contains_key(row.source_key()))
        .map(|row| match_key(&value(row)))
        .filter(|value| !value.is_empty())
        .collect();
    let open: Vec<&str> = open.iter().map(String::as_str).collect();
    let told = conn.links(ctx, flow, LinkBy::Matching, &open).await?;
    let mut told: HashMap<String, Link> = told
        .into_iter()
        .filter(|link| link.remote_id.is_empty())
        .map(|link| (match_key(&link.matching), link))
        .collect();
    let (to, field) = (&plan.flow.destination, out.match_here.as_str());
    let mut unlinked: HashMap<String, String> = HashMap::new();
    for (key, value) in conn.unlinked_records(ctx, to, flow, field, &open).await? {
        unlinked.entry(value).or_insert(key);
    }
    Ok(rows
        .iter()
        .map(|row| {
            let (id, matching) = (row.source_key(), value(row));
            if let Some(link) = known.remove(id) {
                return Some(Link { matching, ..link });
            }
            let by = match_key(&matching);
            let (remote_id, state) = (id.to_owned(), LinkState::Linked);
            if let Some(link) = told.remove(&by) {
                return Some(Link { remote_id, matching, state, ..link });
            }
            let key = unlinked.remove(&by)?;
            Some(Link { key, remote_id, matching, state, ..Link::default() })
        })
        .collect())
}

fn one(
    plan: &Plan,
    out: &Outgoing,
    row: &Taken,
    link: Option<Link>,
    key: String,
    record: Option<&Record>,
    forced: bool,
) -> Met {
    let pair = pair_of(link.as_ref());
    let changes = match record.map(|record| diff(Some(&record.data), &row.fields)) {
        Some(RowDiff::Update { fields }) => fields,
        Some(RowDiff::Create | RowDiff::Unchanged) | None => Vec::new(),
    };
    let here = record.and_then(|record| out.row(&record.data));
    let sides = Sides {
        there: row.hash,
        differs: record.is_none() || !changes.is_empty(),
        settled: settled(out, link.as_ref(), record, row),
        // What cannot be sent was not changed to be sent.
        here: here.as_ref().map(row_hash).or(record.and(pair.here)),
        there_changed: row.changed_at,
        here_changed: record.map_or(Timestamp(0), |record| record.updated_at),
    };
    let arrival = pair.arrival(&sides, plan.flow.conflict_policy, forced);
    let decision = decision(arrival, row, record, changes);
    let after = match &decision {
        Decision::Create => out.row(&row.fields),
        Decision::Update { merged, .. } => out.row(merged),
        Decision::Unchanged | Decision::Keep | Decision::Refuse(_) => here,
    };
    let next = pair.arrived(arrival, row.hash, after.as_ref().map(row_hash));
    let before = link.clone();
    let joined = key != row.key;
    let link = link.unwrap_or_else(|| Link {
        key: key.clone(),
        remote_id: row.source_key().to_owned(),
        matching: row.fields.get(&out.match_here).map(plain).unwrap_or_default(),
        ..Link::default()
    });
    let link = moved(link, &pair, &next, after);
    let link = (before.as_ref() != Some(&link)).then_some(link);
    Met { key, joined, decision, link }
}

/// Whether the provider holds what it was last sent: the record here with the provider's values
/// would be sent as that.
fn settled(out: &Outgoing, link: Option<&Link>, record: Option<&Record>, row: &Taken) -> bool {
    let (Some(sent), Some(record)) = (link.and_then(|link| link.here.as_ref()), record) else {
        return false;
    };
    let mut theirs = record.data.clone();
    theirs.extend(row.fields.iter().map(|(name, value)| (name.clone(), value.clone())));
    out.row(&theirs).is_some_and(|row| diff(Some(sent), &row) == RowDiff::Unchanged)
}

fn decision(
    arrival: Arrival,
    row: &Taken,
    record: Option<&Record>,
    changes: Vec<FieldChange>,
) -> Decision {
    match (arrival, record) {
        (Arrival::Same | Arrival::Echo, _) => Decision::Unchanged,
        (Arrival::Take, None) => Decision::Create,
        (Arrival::Take, Some(record)) => {
            let mut merged = record.data.clone();
            merged.extend(row.fields.iter().map(|(name, value)| (name.clone(), value.clone())));
            Decision::Update { merged, changes, keeper: None }
        }
        (Arrival::Keep, _) => Decision::Keep,
        (Arrival::Wait, _) => {
            let all: Vec<_> = changes.iter().collect();
            Decision::Refuse(undecided(&all))
        }
    }
}

/// A link after its pair moved on; `here` is what would be sent of the record here now.
fn moved(link: Link, before: &Pair, next: &Pair, here: Option<Map<String, Value>>) -> Link {
    let here = if next.here == before.here && link.here.is_some() {
        link.here
    } else {
        here.filter(|_| next.here.is_some())
    };
    let state = if next.undecided { LinkState::Undecided } else { LinkState::Linked };
    Link { here, there: next.there, state, ..link }
}
