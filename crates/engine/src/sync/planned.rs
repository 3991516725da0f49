//! Plans: what a sync would do, made row by row without doing it, and done exactly so later.
//!
//! A plan keeps of each row what would be written and a digest of the decision about it. Applying
//! decides again, in the transaction that writes: another digest means that what the plan compared
//! with has changed. All rows are looked at before the first is written.

use connectus_connect::CursorState;
use connectus_core::{
    Code, Env, Error, FlowId, FlowPlanId, Result, TenantCtx, Timestamp,
    canonical::{self, Digest},
    collection::Record,
    error::FieldError,
    flow::{FieldChange, Leg},
    run::Run,
};
use connectus_store::{
    Conn,
    plans::{FlowPlan, PlanRow},
    rejected::NewRejectedRow,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    Decision, decide,
    intake::{Item, Taken},
    outgoing::{Outgoing, Pick, pick},
    pairs::meet,
    plan::Plan,
};

/// Rows of one plan at most.
pub const MAX_PLAN_ROWS: u64 = 500_000;

/// Where a flow stands, and where the making or applying of a plan has come to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Standing {
    /// The cursor of what comes in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Value>,
    /// How far the collection has been gone through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scan: Option<Value>,
    /// Whether all that comes in is there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub read: bool,
    /// The leg and the key up to which the plan was applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied: Option<(Leg, String)>,
}

impl Standing {
    /// Where a flow stands now.
    ///
    /// # Errors
    /// What the database says.
    pub async fn of(conn: &mut Conn, ctx: &TenantCtx, flow: &FlowId) -> Result<Self> {
        let cursor = conn.flow_cursor(ctx, flow).await?;
        let scan = conn.flow_scan(ctx, flow).await?;
        Ok(Self { cursor, scan, ..Self::default() })
    }

    /// As a plan keeps it.
    pub fn read(value: &Value) -> Self {
        Self::deserialize(value).unwrap_or_default()
    }
}

/// What a run was asked to do with a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Make it.
    Make(FlowPlanId),
    /// Do it.
    Apply(FlowPlanId),
}

impl Task {
    /// The task of a run; none for an ordinary sync.
    pub fn of(run: &Run) -> Option<Self> {
        let input = run.input.here().ok()?;
        let id = |name: &str| FlowPlanId::parse(input.get(name)?.as_str()?);
        id("make_plan").map(Self::Make).or_else(|| id("apply_plan").map(Self::Apply))
    }
}

/// The plan a run works on.
///
/// # Errors
/// `not_found` when it is gone, `conflict` when the flow is not what it was made for.
pub(crate) async fn load(
    conn: &mut Conn,
    ctx: &TenantCtx,
    plan: &Plan,
    id: &FlowPlanId,
) -> Result<FlowPlan> {
    let made = conn.plan(ctx, id).await?.filter(|made| made.flow == plan.flow.id);
    let made = made.ok_or_else(|| Error::not_found("plan"))?;
    if made.flow_version != plan.flow.version {
        return Err(stale("the data flow was changed"));
    }
    Ok(made)
}

/// The refusal of a plan that no longer holds.
pub(crate) fn stale(why: &str) -> Error {
    let detail = format!("The plan is stale: {why} since it was made. Make a new one.");
    Error::new(Code::Conflict, detail).with("stale", true)
}

/// A row that comes in, as a plan keeps it.
#[derive(Serialize, Deserialize)]
struct Kept {
    key: String,
    source_at: usize,
    fields: Map<String, Value>,
    changed_at: Option<Timestamp>,
    source: Value,
}

impl Kept {
    fn of(row: &Taken) -> Self {
        let Taken { key, source_at, fields, changed_at, source, .. } = row;
        let (source_at, changed_at, source) = (*source_at, *changed_at, source.clone());
        Self { key: key.clone(), source_at, fields: fields.clone(), changed_at, source }
    }

    fn taken(self) -> Result<Taken> {
        let mut bytes = Vec::with_capacity(256);
        canonical::write_object(&self.fields, &mut bytes);
        let hash = Digest::of(&bytes);
        let json = String::from_utf8(bytes).map_err(Error::internal)?;
        let Self { key, source_at, fields, changed_at, source } = self;
        Ok(Taken { key, source_at, fields, json, hash, changed_at, source })
    }
}

/// A row that was refused on its way in, as a plan keeps it.
#[derive(Serialize, Deserialize)]
struct KeptRefusal {
    refused: Value,
    errors: Vec<(String, String)>,
}

fn kept<T: serde::de::DeserializeOwned>(content: Value) -> Result<T> {
    serde_json::from_value(content).map_err(Error::internal)
}

/// The rows of a plan that a batch of what comes in makes, and the keys of those that change
/// nothing.
///
/// # Errors
/// What the database says.
pub(crate) async fn incoming(
    conn: &mut Conn,
    ctx: &TenantCtx,
    plan: &Plan,
    items: Vec<Item>,
) -> Result<(Vec<PlanRow>, Vec<String>)> {
    let (mut rows, mut made, mut unchanged) = (Vec::new(), Vec::new(), Vec::new());
    for item in items {
        match item {
            Item::Row(row) => rows.push(*row),
            Item::Refused(row) => made.push(refused(row)),
        }
    }
    for (row, judged) in rows.iter().zip(judge(conn, ctx, plan, &rows).await?) {
        let key = row.source_key().to_owned();
        if judged.kind == "unchanged" {
            unchanged.push(key);
            continue;
        }
        let record = judged.key.clone();
        let shown = json!({ "key": record, "changes": judged.changes, "errors": judged.errors });
        let content = serde_json::to_value(Kept::of(row)).map_err(Error::internal)?;
        let (decision, kind) = (judged.digest(), judged.kind.to_owned());
        made.push(PlanRow { leg: Leg::Inbound, key, record, kind, shown, content, decision });
    }
    Ok((made, unchanged))
}

fn refused(row: NewRejectedRow) -> PlanRow {
    let NewRejectedRow { source_key: key, source, errors, .. } = row;
    let shown = json!({ "key": key, "changes": [], "errors": errors });
    let pairs: Vec<_> = errors.into_iter().map(|one| (one.field, one.message)).collect();
    let content = json!(KeptRefusal { refused: source, errors: pairs });
    let (kind, decision) = ("reject".to_owned(), String::new());
    PlanRow { leg: Leg::Inbound, key, record: String::new(), kind, shown, content, decision }
}

/// The rows of a plan that a page of records makes, and the keys of those that are not sent.
///
/// # Errors
/// What the database says.
pub(crate) async fn outgoing(
    conn: &mut Conn,
    ctx: &TenantCtx,
    plan: &Plan,
    out: &Outgoing,
    records: &[Record],
) -> Result<Vec<PlanRow>> {
    let picks = pick(conn, ctx, plan, out, records).await?;
    let rows = records.iter().zip(picks).filter_map(|(record, pick)| {
        let judged = Judged::of_pick(&record.key, &pick)?;
        let key = record.key.clone();
        let shown = json!({ "key": key, "changes": judged.changes, "errors": judged.errors });
        let (decision, kind) = (judged.digest(), judged.kind.to_owned());
        let (leg, record) = (Leg::Outbound, key.clone());
        Some(PlanRow { leg, key, record, kind, shown, content: Value::Null, decision })
    });
    Ok(rows.collect())
}

/// A decision, as plans compare and show it.
#[derive(Debug)]
pub(crate) struct Judged {
    key: String,
    kind: &'static str,
    changes: Vec<FieldChange>,
    errors: Vec<FieldError>,
    /// What is sent, where something is.
    sent: Value,
}

impl Judged {
    fn digest(&self) -> String {
        let Self { key, kind, changes, errors, sent } = self;
        canonical::digest(&json!([key, kind, changes, errors, sent])).to_string()
    }

    /// None for what is not sent and needs no word.
    pub fn of_pick(key: &str, pick: &Pick) -> Option<Self> {
        let (kind, changes, errors, sent) = match pick {
            Pick::Same | Pick::Wait => return None,
            Pick::Refuse(errors) => ("reject", Vec::new(), errors.clone(), Value::Null),
            Pick::Send(ready) => {
                let kind = if ready.new { "create" } else { "update" };
                let sending = &ready.sending;
                let sent = json!([sending.id, sending.matching, sending.row]);
                (kind, ready.changes.clone(), Vec::new(), sent)
            }
        };
        Some(Self { key: key.to_owned(), kind, changes, errors, sent })
    }

    fn of(row: &Taken, key: String, linked: bool, decision: Decision) -> Self {
        let (mut changes, mut errors) = (Vec::new(), Vec::new());
        let kind = match decision {
            Decision::Create => {
                let made = row.fields.clone().into_iter().map(|(field, after)| FieldChange {
                    field,
                    before: Value::Null,
                    after,
                });
                changes.extend(made);
                "create"
            }
            Decision::Update { changes: fields, .. } => {
                changes = fields;
                "update"
            }
            Decision::Unchanged if linked => "link",
            Decision::Unchanged => "unchanged",
            Decision::Keep => "keep",
            Decision::Refuse(error) => {
                errors.push(error);
                "reject"
            }
        };
        Self { key, kind, changes, errors, sent: Value::Null }
    }
}

/// The decisions about rows that come in, in their order.
async fn judge(
    conn: &mut Conn,
    ctx: &TenantCtx,
    plan: &Plan,
    rows: &[Taken],
) -> Result<Vec<Judged>> {
    let Some(out) = &plan.outgoing else {
        let decisions = decide(conn, ctx, plan, rows, false).await?;
        let one = |(row, decision): (&Taken, _)| Judged::of(row, row.key.clone(), false, decision);
        return Ok(rows.iter().zip(decisions).map(one).collect());
    };
    let met = meet(conn, ctx, plan, out, rows, false).await?;
    let each = rows.iter().zip(met);
    Ok(each.map(|(row, met)| Judged::of(row, met.key, met.link.is_some(), met.decision)).collect())
}

/// Rows that came in with a plan, to be written now; an error when one would be decided otherwise.
///
/// # Errors
/// `conflict` when the plan is stale.
pub(crate) async fn still(
    conn: &mut Conn,
    env: &Env,
    ctx: &TenantCtx,
    plan: &Plan,
    rows: Vec<PlanRow>,
) -> Result<Vec<Item>> {
    let (mut taken, mut wanted, mut items) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        if row.decision.is_empty() {
            let (id, source_key) = (env.id(), row.key);
            let KeptRefusal { refused: source, errors } = kept(row.content)?;
            let errors = errors.into_iter().map(|(field, message)| FieldError { field, message });
            let errors = errors.collect();
            items.push(Item::Refused(NewRejectedRow { id, source_key, source, errors }));
            continue;
        }
        taken.push(kept::<Kept>(row.content)?.taken()?);
        wanted.push(row.decision);
    }
    for (judged, wanted) in judge(conn, ctx, plan, &taken).await?.into_iter().zip(wanted) {
        if judged.digest() != wanted {
            return Err(changed(&judged.key));
        }
    }
    items.extend(taken.into_iter().map(|row| Item::Row(Box::new(row))));
    Ok(items)
}

/// The records that a plan sends, still to be sent as it says. Those that were sent meanwhile by
/// the same plan are left out.
///
/// # Errors
/// `conflict` when the plan is stale.
pub(crate) async fn still_to_send(
    conn: &mut Conn,
    ctx: &TenantCtx,
    plan: &Plan,
    out: &Outgoing,
    rows: &[PlanRow],
    again: bool,
) -> Result<Vec<Record>> {
    let keys: Vec<&str> = rows.iter().map(|row| row.key.as_str()).collect();
    let records = conn.records_by_keys(ctx, &plan.flow.destination, &keys).await?;
    let mut records: std::collections::HashMap<String, Record> =
        records.into_iter().map(|record| (record.key.clone(), record)).collect();
    let records: Vec<Record> = rows
        .iter()
        .map(|row| records.remove(&row.key).ok_or_else(|| changed(&row.key)))
        .collect::<Result<_>>()?;
    let picks = pick(conn, ctx, plan, out, &records).await?;
    let mut left = Vec::with_capacity(records.len());
    for ((record, pick), row) in records.into_iter().zip(picks).zip(rows) {
        match Judged::of_pick(&record.key, &pick) {
            Some(judged) if judged.digest() == row.decision => left.push(record),
            None if again => {}
            Some(_) | None => return Err(changed(&row.key)),
        }
    }
    Ok(left)
}

fn changed(key: &str) -> Error {
    stale(&format!("what record `{key}` is compared with has changed"))
}

/// A cursor to read on from.
pub(crate) fn cursor_of(standing: &Standing) -> Option<CursorState> {
    standing.cursor.clone().map(CursorState)
}

/// What stands in the input of a run that works on a plan.
pub(crate) fn input(task: &Task) -> (&'static str, String) {
    match task {
        Task::Make(id) => ("make_plan", id.to_string()),
        Task::Apply(id) => ("apply_plan", id.to_string()),
    }
}
