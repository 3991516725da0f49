//! Sends records to the provider, in batches as large as it takes, each with its checkpoint.
//!
//! A record that is sent for the first time is noted before the call: a process that dies in
//! between sends it again by the same value, which makes nothing twice. What is sent again under
//! the same content has the same key, so that a provider that keeps keys drops it.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use connectus_connect::{Sending, Sent, WriteKind, WriteOutcome};
use connectus_core::{
    Code, Error, Result, TenantCtx, Timestamp,
    collection::Record,
    drill::Site,
    error::FieldError,
    flow::{DataFlow, Leg},
    run::Run,
};
use connectus_store::{
    Conn,
    links::{Link, LinkBy, LinkState},
};
use futures::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{
    Counts, gone,
    intake::refusal,
    outgoing::{Outgoing, Pick, Ready, claimed_by, intents, pick},
    plan::Plan,
    settle::{Refused, Settled, Step},
};
use crate::parts::Parts;

/// A batch that was sent, what became of its rows, and the calls it took.
type Outcome = (Vec<Ready>, Vec<Sent>, u32);

/// Records looked at between two notes of how far the scan has come.
const PAGE: u32 = 1_000;
/// A record that was written this long before a scan began may have become visible after it.
const OVERLAP_SECS: i64 = 120;

/// How far a flow has gone through its collection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scan {
    /// Only records that changed since are looked at.
    since: Timestamp,
    /// When this pass began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    began: Option<Timestamp>,
    /// The last key looked at in this pass.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    after: String,
}

/// The records a scan looks at next, and whether there are more.
///
/// # Errors
/// What the database says.
pub(crate) async fn next(
    conn: &mut Conn,
    ctx: &TenantCtx,
    flow: &DataFlow,
    most: usize,
) -> Result<(Vec<Record>, bool)> {
    let scan = Scan::stored(conn, ctx, flow).await?;
    let limit = u32::try_from(most).unwrap_or(PAGE).saturating_add(1);
    let (to, after) = (&flow.destination, scan.after.as_str());
    let mut records = conn.changed_records(ctx, to, after, scan.since, limit).await?;
    let more = records.len() > most;
    records.truncate(most);
    Ok((records, more))
}

impl Scan {
    async fn stored(conn: &mut Conn, ctx: &TenantCtx, flow: &DataFlow) -> Result<Self> {
        Ok(Self::read(conn.flow_scan(ctx, &flow.id).await?))
    }

    /// As it was stored. A scan of an unknown shape is begun anew: what was sent is known of each
    /// record.
    pub fn read(stored: Option<Value>) -> Self {
        let new = Self { since: Timestamp(0), began: None, after: String::new() };
        stored.and_then(|value| serde_json::from_value(value).ok()).unwrap_or(new)
    }

    /// A pass begins, unless one is under way.
    pub fn begin(&mut self, now: Timestamp) {
        self.began.get_or_insert(now);
    }

    /// The next records of the pass.
    ///
    /// # Errors
    /// What the database says.
    pub async fn page(
        &self,
        conn: &mut Conn,
        ctx: &TenantCtx,
        flow: &DataFlow,
    ) -> Result<Vec<Record>> {
        let (to, after) = (&flow.destination, self.after.as_str());
        Ok(conn.changed_records(ctx, to, after, self.since, PAGE).await?)
    }

    /// The pass has come to a key.
    pub fn passed(&mut self, key: String) {
        self.after = key;
    }

    /// Where the next pass begins.
    pub fn ended(&self) -> Self {
        let began = self.began.unwrap_or(self.since);
        let since = Timestamp(began.0 - OVERLAP_SECS * 1_000_000);
        Self { since: since.max(self.since), began: None, after: String::new() }
    }
}

/// What sending came to.
pub(crate) enum Pushed {
    /// Everything is sent or refused.
    All,
    /// The flow is not what it was when the plan was made: plan again.
    FlowChanged,
}

/// One pass of sending with one plan.
pub(crate) struct Push<'a> {
    pub parts: &'a Parts,
    pub ctx: &'a TenantCtx,
    pub plan: &'a Arc<Plan>,
    pub out: &'a Outgoing,
    /// Who sends: the run, or what stands for it; part of the provider's key.
    pub settle: Settled,
    pub cancel: &'a CancellationToken,
}

impl Push<'_> {
    /// Sends again what a process was sending when it died.
    pub async fn recover(&self) -> Result<Pushed> {
        let mut after = String::new();
        loop {
            let mut conn = self.parts.store.read().await?;
            let flow = &self.plan.flow;
            let open = conn.links_in_sending(self.ctx, &flow.id, &after, PAGE).await?;
            let Some(last) = open.last() else { return Ok(Pushed::All) };
            after.clone_from(&last.key);
            let keys: Vec<&str> = open.iter().map(|link| link.key.as_str()).collect();
            let records = conn.records_by_keys(self.ctx, &flow.destination, &keys).await?;
            drop(conn);
            let there = |key: &str| records.iter().any(|record| record.key == key);
            let gone = open.iter().filter(|link| !there(&link.key)).map(|link| link.key.clone());
            let step = Step { dropped: gone.collect(), ..Step::default() };
            if !self.commit(step).await? {
                return Ok(Pushed::FlowChanged);
            }
            if let Pushed::FlowChanged = self.records(records).await? {
                return Ok(Pushed::FlowChanged);
            }
        }
    }

    /// Goes through the records that changed since the last pass and sends what differs.
    pub async fn scan(&self, run: &Run) -> Result<Pushed> {
        let flow = &self.plan.flow;
        let mut conn = self.parts.store.read().await?;
        let mut scan = Scan::stored(&mut conn, self.ctx, flow).await?;
        drop(conn);
        scan.begin(self.parts.env().now());
        loop {
            let mut conn = self.parts.store.read().await?;
            let page = scan.page(&mut conn, self.ctx, flow).await?;
            drop(conn);
            let Some(last) = page.last().map(|record| record.key.clone()) else { break };
            let read = page.len() as u64;
            if let Pushed::FlowChanged = self.records(page).await? {
                return Ok(Pushed::FlowChanged);
            }
            scan.passed(last);
            let counts = Counts { read, pages: 1, ..Counts::default() };
            let step = Step { scan: Some(json!(scan)), counts, ..Step::default() };
            if !self.commit(step).await? {
                return Ok(Pushed::FlowChanged);
            }
        }
        if let Pushed::FlowChanged = gone::here(self, run).await? {
            return Ok(Pushed::FlowChanged);
        }
        let step = Step { scan: Some(json!(scan.ended())), complete: true, ..Step::default() };
        Ok(if self.commit(step).await? { Pushed::All } else { Pushed::FlowChanged })
    }

    /// Notes that these records are refused no more.
    pub async fn settled(&self, taken: Vec<String>) -> Result<Pushed> {
        let step = Step { taken, ..Step::default() };
        let done = step.is_empty() || self.commit(step).await?;
        Ok(if done { Pushed::All } else { Pushed::FlowChanged })
    }

    /// Sends what differs of these records.
    pub async fn records(&self, records: Vec<Record>) -> Result<Pushed> {
        let mut conn = self.parts.store.read().await?;
        let picks = pick(&mut conn, self.ctx, self.plan, self.out, &records).await?;
        drop(conn);
        let mut step = Step { links: intents(&picks), ..Step::default() };
        let mut groups: BTreeMap<WriteKind, Vec<Ready>> = BTreeMap::new();
        let mut bodies = HashMap::new();
        for (record, pick) in records.into_iter().zip(picks) {
            match pick {
                Pick::Same => {
                    step.counts.unchanged += 1;
                    step.taken.push(record.key);
                }
                Pick::Wait => step.counts.kept += 1,
                Pick::Refuse(errors) => step.refused.push(self.refused(record, errors)),
                Pick::Send(ready) => {
                    bodies.insert(record.key.clone(), record);
                    groups.entry(ready.kind).or_default().push(*ready);
                }
            }
        }
        if !step.is_empty() && !self.commit(step).await? {
            return Ok(Pushed::FlowChanged);
        }
        for (kind, ready) in groups {
            if let Pushed::FlowChanged = self.batches(kind, ready, &mut bodies).await? {
                return Ok(Pushed::FlowChanged);
            }
        }
        Ok(Pushed::All)
    }

    /// Sends batches, several at once, and notes what became of each as it is known. After an
    /// error none is begun, and those under way are waited for.
    async fn batches(
        &self,
        kind: WriteKind,
        ready: Vec<Ready>,
        bodies: &mut HashMap<String, Record>,
    ) -> Result<Pushed> {
        let limit = self.plan.end.write_limit(kind).unwrap_or(1);
        let mut rest = ready.into_iter();
        let batches = std::iter::from_fn(|| {
            let batch: Vec<Ready> = rest.by_ref().take(limit.max(1)).collect();
            (!batch.is_empty()).then_some(batch)
        });
        let stop = &AtomicBool::new(false);
        let at_once = self.parts.connections.at_once().per_flow.max(1);
        let calls = stream::iter(batches).map(|batch| async move {
            match stop.load(Ordering::Relaxed) {
                true => (Vec::new(), None),
                false => self.batch(kind, batch).await,
            }
        });
        let mut calls = std::pin::pin!(calls.buffer_unordered(at_once));
        let (mut failed, mut changed) = (None, false);
        while let Some((parts, error)) = calls.next().await {
            for (batch, rows, calls) in parts {
                if !changed {
                    let step = self.outcome(batch, rows, u64::from(calls), bodies).await?;
                    changed = !self.commit(step).await?;
                }
            }
            failed = failed.or(error);
            stop.store(changed || failed.is_some(), Ordering::Relaxed);
        }
        match failed {
            Some(error) if !changed => Err(error),
            _ if changed => Ok(Pushed::FlowChanged),
            _ => Ok(Pushed::All),
        }
    }

    /// Sends a batch, in smaller ones where it is refused as a whole: what was sent, and what
    /// became of it; and why the rest was not.
    async fn batch(&self, kind: WriteKind, batch: Vec<Ready>) -> (Vec<Outcome>, Option<Error>) {
        let (mut done, mut waiting) = (Vec::new(), VecDeque::from([batch]));
        while let Some(mut batch) = waiting.pop_front() {
            if self.cancel.is_cancelled() {
                return (done, Some(Error::new(Code::Conflict, "The sync was stopped.")));
            }
            let sendings: Vec<Sending> = batch.iter().map(|one| one.sending.clone()).collect();
            match self.write(kind, &sendings).await {
                Ok(outcome) => done.push((batch, outcome.rows, outcome.calls)),
                // The whole batch for the sake of one row: the others are found by halves.
                Err(error) if is_about_rows(&error) && batch.len() > 1 => {
                    let half = batch.split_off(batch.len() / 2);
                    waiting.push_front(half);
                    waiting.push_front(batch);
                }
                Err(error) if is_about_rows(&error) => {
                    done.push((batch, vec![Sent::Refused(error.detail.to_string())], 1));
                }
                Err(error) => return (done, Some(error)),
            }
        }
        (done, None)
    }

    /// Sends a batch.
    pub async fn write(&self, kind: WriteKind, rows: &[Sending]) -> Result<WriteOutcome> {
        let key = self.settle.key(kind, &digest(rows));
        self.plan.end.write(kind, &self.out.match_field, rows, &key).await
    }

    /// What a call's answer comes to.
    async fn outcome(
        &self,
        batch: Vec<Ready>,
        rows: Vec<Sent>,
        calls: u64,
        bodies: &mut HashMap<String, Record>,
    ) -> Result<Step> {
        let ids: Vec<&str> = rows.iter().filter_map(id_of).collect();
        let mut conn = self.parts.store.read().await?;
        let known = conn.links(self.ctx, &self.plan.flow.id, LinkBy::Remote, &ids).await?;
        let mut owners: HashMap<String, String> =
            known.into_iter().map(|link| (link.remote_id, link.key)).collect();
        drop(conn);
        let mut step = Step::default();
        step.counts.calls = calls;
        for (ready, sent) in batch.into_iter().zip(rows) {
            let key = ready.link.key.clone();
            let errors = match sent {
                Sent::Refused(message) => vec![FieldError { field: String::new(), message }],
                Sent::Done(id) => {
                    let id = id.unwrap_or_else(|| ready.link.remote_id.clone());
                    let owner = owners.entry(id.clone()).or_insert_with(|| key.clone());
                    if id.is_empty() || *owner == key {
                        if ready.new {
                            step.counts.sent_created += 1;
                        } else {
                            step.counts.sent_updated += 1;
                        }
                        step.taken.push(key);
                        step.links.push(Link {
                            remote_id: id,
                            matching: ready.matching,
                            here: Some(ready.row),
                            // The provider may keep what it had: its next word is listened to.
                            there: None,
                            state: LinkState::Linked,
                            ..ready.link
                        });
                        continue;
                    }
                    vec![claimed_by(self.out, owner)]
                }
            };
            if ready.new {
                step.dropped.push(key.clone());
            }
            if let Some(record) = bodies.remove(&key) {
                step.refused.push(self.refused(record, errors));
            }
        }
        Ok(step)
    }

    fn refused(&self, record: Record, errors: Vec<FieldError>) -> Refused {
        let mut data = Value::Object(record.data);
        // What is wrong with it is told elsewhere; what is redacted is gone in any case.
        drop(self.out.mapping.redact(&mut data));
        refusal(self.parts.env(), record.key, data, errors)
    }

    /// Makes a step durable. False when the flow has changed meanwhile.
    pub async fn commit(&self, step: Step) -> Result<bool> {
        let (ctx, plan, settle) = (self.ctx.clone(), self.plan.clone(), self.settle.clone());
        self.parts
            .store
            .write_at(&[Site::Checkpoint], move |tx| {
                Box::pin(async move { settle.commit(tx, &ctx, &plan, Leg::Outbound, step).await })
            })
            .await
    }
}

fn id_of(sent: &Sent) -> Option<&str> {
    match sent {
        Sent::Done(id) => id.as_deref().filter(|id| !id.is_empty()),
        Sent::Refused(_) => None,
    }
}

/// Whether an error is the fault of what was sent, and not of the way there.
fn is_about_rows(error: &Error) -> bool {
    matches!(error.code, Code::ProviderRefused | Code::Invalid)
}

/// What identifies the content of a batch.
fn digest(sendings: &[Sending]) -> String {
    let all: Vec<Value> =
        sendings.iter().map(|one| json!([one.id, one.matching, one.row])).collect();
    let mut text = connectus_core::canonical::digest(&Value::Array(all)).to_string();
    text.truncate(32);
    text
}
