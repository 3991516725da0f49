//! What a flow sends: records of a collection, mapped, compared with what was last sent.

use std::collections::{HashMap, HashSet};

use connectus_connect::{Plan as Provider, Sending, WriteKind};
use connectus_core::{
    Error, Result, TenantCtx,
    collection::Record,
    error::FieldError,
    flow::{DataFlow, FieldChange, Leg, Mapping, RowDiff, diff, pair::Pair, row_hash},
};
use connectus_store::{
    Conn,
    links::{Link, LinkBy, LinkState, match_key},
};
use serde_json::{Map, Value};

use super::{fields, plan::Plan};
use crate::ends::{BY_KEY, By, Write};

/// How a flow sends records.
pub(crate) struct Outgoing {
    /// The mapping of what is sent.
    pub mapping: Mapping,
    /// The provider's field that says which of its things a record is.
    pub match_field: String,
    /// The field of the collection that fills it.
    pub match_here: String,
    /// Whether things whose id is known are changed by it.
    updates: bool,
    /// Whether things are told apart by the keys of the records here.
    by_key: bool,
}

impl Outgoing {
    /// How a flow sends records.
    ///
    /// # Errors
    /// `invalid` naming what the flow lacks.
    pub fn of(flow: &DataFlow, plan: &Provider, write: Option<&Write>) -> Result<Self> {
        let provider = &plan.pack.provider.name;
        let Some(write) = write else {
            let message = format!("`{}` of {provider} can only be read.", flow.stream);
            return Err(Error::invalid("/direction", message));
        };
        let usual = match &write.by {
            By::Field(usual) => usual.as_deref(),
            By::Key => {
                let mapping = fields::mapping(flow, plan, Leg::Outbound, None)?;
                let (match_field, match_here) = (BY_KEY.to_owned(), "key".to_owned());
                return Ok(Self { mapping, match_field, match_here, updates: false, by_key: true });
            }
        };
        let named = flow.options.match_field.as_deref().or(usual);
        let Some(named) = named else {
            let message = format!(
                "is needed: the field of {provider} whose value tells its {} apart, such as an \
                 external id.",
                flow.stream
            );
            return Err(Error::invalid("/options/match_field", message));
        };
        let Some((match_field, match_here)) = fields::matching(flow, plan, named) else {
            let message =
                format!("`{named}` tells the provider's records apart, so the flow must map it.");
            return Err(Error::invalid("/options/match_field", message));
        };
        let mapping = fields::mapping(flow, plan, Leg::Outbound, None)?;
        Ok(Self { mapping, match_field, match_here, updates: write.updates, by_key: false })
    }

    /// What would be sent of a record; none where the mapping refuses it.
    pub fn row(&self, data: &Map<String, Value>) -> Option<Map<String, Value>> {
        self.mapping.apply(&Value::Object(data.clone())).ok()
    }

    fn matching(&self, record: &Record, row: &Map<String, Value>) -> String {
        if self.by_key {
            return record.key.clone();
        }
        row.get(&self.match_field).map(plain).unwrap_or_default()
    }
}

/// A plain value as text; empty for any other.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => String::new(),
    }
}

/// The pair a link is about.
pub(crate) fn pair_of(link: Option<&Link>) -> Pair {
    link.map(|link| Pair {
        here: link.here.as_ref().map(row_hash),
        there: link.there,
        undecided: link.state == LinkState::Undecided,
    })
    .unwrap_or_default()
}

/// What becomes of a record that may have to be sent.
#[derive(Debug)]
pub(crate) enum Pick {
    /// The provider has it as it is.
    Same,
    /// A person decides first.
    Wait,
    /// It cannot be sent, and why.
    Refuse(Vec<FieldError>),
    /// It is to be sent.
    Send(Box<Ready>),
}

/// A record that is to be sent.
#[derive(Debug)]
pub(crate) struct Ready {
    /// How.
    pub kind: WriteKind,
    /// What is sent of it.
    pub sending: Sending,
    /// All that the provider is to hold of it afterwards.
    pub row: Map<String, Value>,
    /// What changes there, as far as is known.
    pub changes: Vec<FieldChange>,
    /// Its link, as it is before the answer is known.
    pub link: Link,
    /// The value that says which thing it is, afterwards.
    pub matching: String,
    /// Whether it is sent for the first time.
    pub new: bool,
}

/// Decides about records, in their order.
///
/// # Errors
/// What the database says.
pub(crate) async fn pick(
    conn: &mut Conn,
    ctx: &TenantCtx,
    plan: &Plan,
    out: &Outgoing,
    records: &[Record],
) -> Result<Vec<Pick>> {
    let flow = &plan.flow.id;
    let keys: Vec<&str> = records.iter().map(|record| record.key.as_str()).collect();
    let links = conn.links(ctx, flow, LinkBy::Key, &keys).await?;
    let links: HashMap<String, Link> =
        links.into_iter().map(|link| (link.key.clone(), link)).collect();
    let mut picks: Vec<Pick> =
        records.iter().map(|record| one(out, record, links.get(&record.key))).collect();
    // Two records that claim to be one thing of the provider's would overwrite each other.
    let new = |pick: &Pick| match pick {
        Pick::Send(ready) if ready.new => Some(match_key(&ready.sending.matching)),
        _ => None,
    };
    let claimed: Vec<String> = picks.iter().filter_map(new).collect();
    let claimed: Vec<&str> = claimed.iter().map(String::as_str).collect();
    let taken = conn.links(ctx, flow, LinkBy::Matching, &claimed).await?;
    let mut taken: HashMap<String, String> =
        taken.into_iter().map(|link| (match_key(&link.matching), link.key)).collect();
    for (record, pick) in records.iter().zip(&mut picks) {
        let Some(matching) = new(pick) else { continue };
        let owner = taken.entry(matching).or_insert_with(|| record.key.clone());
        if *owner != record.key {
            *pick = Pick::Refuse(vec![claimed_by(out, owner)]);
        }
    }
    Ok(picks)
}

/// The refusal of a record whose thing is another record's.
pub(crate) fn claimed_by(out: &Outgoing, owner: &str) -> FieldError {
    FieldError {
        field: out.match_here.clone(),
        message: format!("has the value of record `{owner}`, which is sent already."),
    }
}

fn one(out: &Outgoing, record: &Record, link: Option<&Link>) -> Pick {
    let row = match out.mapping.apply(&Value::Object(record.data.clone())) {
        Ok(row) => row,
        Err(errors) => return Pick::Refuse(errors),
    };
    let pair = pair_of(link);
    // What is gone at the provider is not made there again.
    if pair.undecided || link.is_some_and(|link| link.state == LinkState::Gone) {
        return Pick::Wait;
    }
    let open = link.is_some_and(|link| link.state == LinkState::Sending);
    if !open && !pair.must_send(row_hash(&row)) {
        return Pick::Same;
    }
    let mut link =
        link.cloned().unwrap_or_else(|| Link { key: record.key.clone(), ..Link::default() });
    let new = link.remote_id.is_empty() && link.here.is_none();
    let known = out.updates && !link.remote_id.is_empty();
    // A thing that was told another value before is still known by that one.
    let now = out.matching(record, &row);
    let matching = if link.matching.is_empty() { now.clone() } else { link.matching.clone() };
    if matching.is_empty() && !known {
        let message = format!("is empty, so the provider cannot know which {} it is.", record.key);
        return Pick::Refuse(vec![FieldError { field: out.match_here.clone(), message }]);
    }
    let before = link.here.clone().unwrap_or_default();
    let changes = match diff(Some(&before), &row) {
        RowDiff::Update { fields } => fields,
        RowDiff::Create | RowDiff::Unchanged => Vec::new(),
    };
    if link.here.is_some() && changes.is_empty() && !open {
        return Pick::Same;
    }
    // By id only what changed is sent: what people there change besides stays.
    let sent = if known && link.here.is_some() {
        changes.iter().map(|change| (change.field.clone(), change.after.clone())).collect()
    } else {
        row.clone()
    };
    let id = known.then(|| link.remote_id.clone());
    let kind = if known { WriteKind::Update } else { WriteKind::Upsert };
    link.matching.clone_from(&matching);
    let sending = Sending { id, matching, row: sent };
    Pick::Send(Box::new(Ready { kind, sending, row, changes, link, matching: now, new }))
}

/// The links of records that are about to be sent for the first time: written before the call, so
/// that a process that dies in between knows by which value to look at them again.
pub(crate) fn intents(picks: &[Pick]) -> Vec<Link> {
    let mut seen = HashSet::new();
    let new = picks.iter().filter_map(|pick| match pick {
        Pick::Send(ready) if ready.new && seen.insert(ready.link.key.clone()) => Some(ready),
        _ => None,
    });
    new.map(|ready| Link { state: LinkState::Sending, ..ready.link.clone() }).collect()
}
