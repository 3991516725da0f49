//! The one transaction in which a sync moves forward.

use std::sync::Arc;

use connectus_core::{
    Env, Error, Result, RunId, TenantCtx,
    event::EventType,
    flow::{
        Deletes, Leg,
        shape::{Drift, Shape},
    },
};
use connectus_store::{
    Tx,
    links::{Link, LinkState},
    records::NewRecord,
    rejected::NewRejectedRow,
};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    Counts, Decision, OPERATION, decide, drift,
    intake::{Item, Taken, newest, refusal},
    pairs::{Met, meet},
    plan::Plan,
};
use crate::health;

/// Refused rows kept per flow. Beyond it they are only counted: a mapping that refuses that many
/// is to be mended, and a mended mapping reads everything again.
const MAX_REJECTED_KEPT: u64 = 10_000;

/// Everything that moves together.
pub(super) struct Checkpoint {
    pub ctx: TenantCtx,
    pub run: RunId,
    pub plan: Arc<Plan>,
    pub items: Vec<Item>,
    pub cursor: Option<Value>,
    /// What the source is known to look like after it, where that changed.
    pub shape: Option<Shape>,
    /// How the source was seen to have changed in it.
    pub drift: Drift,
    /// What was read for it.
    pub read: Counts,
    pub end: End,
}

/// Whether a checkpoint is the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// More is to be read.
    Not,
    /// All is read; the flow has more to do.
    OfReading,
    /// The flow has done all there was.
    OfAll,
}

/// How a checkpoint ended.
pub(super) enum Committed {
    /// It is durable.
    Yes,
    /// Nothing was written: the flow is no longer what the plan was made from.
    FlowChanged,
}

impl Checkpoint {
    /// Commits, unless the flow has changed meanwhile.
    pub async fn commit(mut self, tx: &mut Tx) -> Result<Committed> {
        let flow = &self.plan.flow;
        match tx.lock_flow(&self.ctx, &flow.id).await? {
            None => return Err(Error::not_found("data flow")),
            Some(version) if version != flow.version => return Ok(Committed::FlowChanged),
            Some(_) => {}
        }
        let items = std::mem::take(&mut self.items);
        let written = write(tx, &self.ctx, &self.plan, &self.run, items, false).await?;
        if let Some(cursor) = &self.cursor {
            tx.put_flow_cursor(&self.ctx, &self.plan.flow.id, cursor).await?;
        }
        // Counted on from what is stored, not from memory: an attempt that was given up may have
        // had a checkpoint under way that became durable later.
        self.note_shape(tx).await?;
        let run = tx.run(&self.ctx, &self.run).await?.ok_or_else(|| Error::not_found("run"))?;
        let counts = written.add_to(Counts::stored(run.progress.as_ref()).plus_read(&self.read));
        self.note(tx, &counts, written).await?;
        Ok(Committed::Yes)
    }

    /// What the source looks like moves with what was read of it.
    async fn note_shape(&mut self, tx: &mut Tx) -> Result<()> {
        let (ctx, flow) = (&self.ctx, &self.plan.flow);
        if !self.drift.is_empty() {
            drift::tell(tx, ctx, &self.run, flow, &self.drift, &[]).await?;
        }
        let learns = self.end != End::Not && !self.plan.shape.is_learned();
        let mut shape = match self.shape.take() {
            None if learns => tx.flow_shape(ctx, &flow.id).await?,
            None => return Ok(()),
            Some(shape) => shape,
        };
        if learns {
            shape.learn();
        }
        Ok(tx.put_flow_shape(ctx, &flow.id, &shape).await?)
    }

    async fn note(&self, tx: &mut Tx, counts: &Counts, added: Written) -> Result<()> {
        let flow = &self.plan.flow.id;
        let progress = counts.output();
        tx.set_run_progress(&self.ctx, &self.run, &progress).await?;
        if self.end == End::OfAll {
            tx.note_flow_synced(&self.ctx, flow).await?;
            let integration = &self.plan.flow.integration;
            health::succeeded(tx, &self.ctx, integration, OPERATION).await?;
        }
        let data = json!({ "run": self.run, "flow": flow, "counts": progress, "added": added });
        tx.emit(&self.ctx, EventType::SyncProgressed, self.run.as_str(), data).await
    }
}

/// How many rows went which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Written {
    pub created: u64,
    pub updated: u64,
    pub unchanged: u64,
    pub kept: u64,
    pub rejected: u64,
}

impl Written {
    pub(super) fn add_to(self, mut counts: Counts) -> Counts {
        counts.created += self.created;
        counts.updated += self.updated;
        counts.unchanged += self.unchanged;
        counts.kept += self.kept;
        counts.rejected += self.rejected;
        counts.checkpoints += 1;
        counts
    }

    /// Rows the flow has taken, whether or not they changed anything.
    const fn processed(self) -> u64 {
        self.created + self.updated + self.unchanged + self.kept
    }
}

/// Writes what differs, keeps what is refused, resolves what was refused before, and counts.
pub(crate) async fn write(
    tx: &mut Tx,
    ctx: &TenantCtx,
    plan: &Plan,
    run: &RunId,
    items: Vec<Item>,
    forced: bool,
) -> Result<Written> {
    let flow = &plan.flow;
    let (mut rows, mut refused) = (Vec::with_capacity(items.len()), Vec::new());
    for item in newest(items) {
        match item {
            Item::Row(row) => rows.push(*row),
            Item::Refused(row) => refused.push(row),
        }
    }
    if !rows.is_empty() {
        tx.ensure_collection(ctx, &flow.destination).await?;
    }
    // Where what is gone has consequences, what is there is noted.
    let watches = flow.options.deletes != Deletes::Ignore;
    let listed = if watches { listed(&rows, &refused) } else { Vec::new() };
    let mut settled = Vec::new();
    if plan.rejected_open > 0 {
        settled.extend(rows.iter().map(|row| row.source_key().to_owned()));
    }
    let sorted = match &plan.outgoing {
        None => {
            let decisions = decide(tx, ctx, plan, &rows, forced).await?;
            if watches {
                tx.put_links(ctx, &flow.id, &seen(&rows, &decisions)).await?;
            }
            sort_out(tx.env(), rows, decisions, &mut refused)?
        }
        Some(out) => {
            let met = meet(tx, ctx, plan, out, &rows, forced).await?;
            let (sorted, links) = sort_met(tx.env(), rows, met, &mut refused)?;
            tx.put_links(ctx, &flow.id, &links).await?;
            sorted
        }
    };
    let Sorted { records, joined, filled, mut written } = sorted;
    if watches {
        let listed: Vec<&str> = listed.iter().map(String::as_str).collect();
        tx.touch_links(ctx, &flow.id, &listed).await?;
    }
    if !records.is_empty() || !joined.is_empty() || !filled.is_empty() {
        let (source, origin) = (flow.id.as_str(), Some(&flow.integration));
        tx.upsert_records(ctx, &flow.destination, &records, source, origin).await?;
        tx.upsert_records(ctx, &flow.destination, &joined, source, None).await?;
        for (keeper, record) in &filled {
            tx.put_record(ctx, &flow.destination, record, keeper, origin).await?;
        }
        tx.touch_collection(ctx, &flow.destination).await?;
    }
    written.rejected = u64::try_from(refused.len()).unwrap_or(u64::MAX);
    if !settled.is_empty() {
        let settled: Vec<&str> = settled.iter().map(String::as_str).collect();
        tx.resolve_rejected(ctx, &flow.id, Leg::Inbound, &settled).await?;
    }
    // After the resolving, so that a row refused just now is open again.
    keep_refused(tx, ctx, plan, Leg::Inbound, run, refused).await?;
    // A row that is refused again when a person tries it again has failed once, not twice.
    let failed = if forced { 0 } else { written.rejected };
    if written.processed() + failed > 0 {
        tx.add_flow_counts(ctx, &flow.id, written.processed(), failed).await?;
    }
    Ok(written)
}

/// All that the provider listed.
fn listed(rows: &[Taken], refused: &[NewRejectedRow]) -> Vec<String> {
    let taken = rows.iter().map(|row| row.source_key().to_owned());
    taken.chain(refused.iter().map(|row| row.source_key.clone())).collect()
}

/// The links of a flow that only takes in.
fn seen(rows: &[Taken], decisions: &[Decision]) -> Vec<Link> {
    let each = rows.iter().zip(decisions);
    let taken = each.filter(|(_, decision)| !matches!(decision, Decision::Refuse(_)));
    let link = |(row, _): (&Taken, &Decision)| Link {
        key: row.key.clone(),
        remote_id: row.source_key().to_owned(),
        there: Some(row.hash),
        state: LinkState::Linked,
        ..Link::default()
    };
    taken.map(link).collect()
}

/// Keeps refused rows, as long as there is room.
pub(super) async fn keep_refused(
    tx: &mut Tx,
    ctx: &TenantCtx,
    plan: &Plan,
    leg: Leg,
    run: &RunId,
    mut refused: Vec<NewRejectedRow>,
) -> Result<()> {
    if refused.is_empty() {
        return Ok(());
    }
    let flow = &plan.flow.id;
    let kept = tx.count_rejected(ctx, flow, true).await?;
    let room = MAX_REJECTED_KEPT.saturating_sub(kept);
    refused.truncate(usize::try_from(room).unwrap_or(usize::MAX));
    Ok(tx.keep_rejected(ctx, flow, leg, run, &refused).await?)
}

/// What decisions come to.
#[derive(Default)]
struct Sorted {
    /// Rows the flow answers for.
    records: Vec<NewRecord>,
    /// Rows of records that were here under keys of their own.
    joined: Vec<NewRecord>,
    /// Rows to which the flow only adds, each with who answers for it.
    filled: Vec<(String, NewRecord)>,
    written: Written,
}

/// Turns decisions into the rows to write.
fn sort_out(
    env: &Env,
    rows: Vec<Taken>,
    decisions: Vec<Decision>,
    refused: &mut Vec<NewRejectedRow>,
) -> Result<Sorted> {
    let mut sorted = Sorted::default();
    let Sorted { records, filled, written, .. } = &mut sorted;
    for (row, decision) in rows.into_iter().zip(decisions) {
        match decision {
            Decision::Create => {
                written.created += 1;
                records.push(NewRecord { key: row.key, data: row.json, hash: row.hash });
            }
            Decision::Update { merged, keeper, .. } => {
                written.updated += 1;
                let record = NewRecord::of(row.key, &merged)?;
                match keeper {
                    Some(keeper) => filled.push((keeper, record)),
                    None => records.push(NewRecord { hash: row.hash, ..record }),
                }
            }
            Decision::Unchanged => written.unchanged += 1,
            Decision::Keep => written.kept += 1,
            Decision::Refuse(error) => {
                let key = row.source_key().to_owned();
                refused.push(refusal(env, key, row.source, vec![error]));
            }
        }
    }
    Ok(sorted)
}

/// Turns what the provider's records met into the rows and links to write.
fn sort_met(
    env: &Env,
    rows: Vec<Taken>,
    met: Vec<Met>,
    refused: &mut Vec<NewRejectedRow>,
) -> Result<(Sorted, Vec<Link>)> {
    let (mut sorted, mut links) = (Sorted::default(), Vec::new());
    for (row, met) in rows.into_iter().zip(met) {
        let Sorted { records, joined, written, .. } = &mut sorted;
        let to = if met.joined { joined } else { records };
        links.extend(met.link);
        match met.decision {
            Decision::Create => {
                written.created += 1;
                to.push(NewRecord { key: met.key, data: row.json, hash: row.hash });
            }
            Decision::Update { merged, .. } => {
                written.updated += 1;
                to.push(NewRecord { hash: row.hash, ..NewRecord::of(met.key, &merged)? });
            }
            Decision::Unchanged => written.unchanged += 1,
            Decision::Keep => written.kept += 1,
            Decision::Refuse(error) => {
                let key = row.source_key().to_owned();
                refused.push(refusal(env, key, row.source, vec![error]));
            }
        }
    }
    Ok((sorted, links))
}
