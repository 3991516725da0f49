//! What a step of sending came to, made durable in one transaction.

use connectus_connect::WriteKind;
use connectus_core::{Error, Result, RunId, TenantCtx, event::EventType, flow::Leg};
use connectus_store::{Tx, links::Link, rejected::NewRejectedRow};
use serde_json::{Value, json};

use super::{Counts, OPERATION, checkpoint::keep_refused, plan::Plan};
use crate::health;

/// A refused row as it is kept.
pub(super) type Refused = NewRejectedRow;

/// What a step of sending came to.
#[derive(Debug, Default)]
pub(crate) struct Step {
    /// Links to write.
    pub links: Vec<Link>,
    /// Keys whose links are forgotten.
    pub dropped: Vec<String>,
    /// Rows that were refused.
    pub refused: Vec<Refused>,
    /// Keys of records that are not refused any more.
    pub taken: Vec<String>,
    /// What to add to the counters.
    pub counts: Counts,
    /// How far the collection has been gone through.
    pub scan: Option<Value>,
    /// Whether the flow has done all there was.
    pub complete: bool,
}

impl Step {
    /// Whether there is nothing to make durable.
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
            && self.dropped.is_empty()
            && self.refused.is_empty()
            && self.taken.is_empty()
            && self.counts == Counts::default()
    }
}

/// On whose behalf steps are made durable.
#[derive(Clone, Debug)]
pub(crate) enum Settled {
    /// A run: it counts.
    Run(RunId),
    /// A person who tries refused rows of a run again. The text tells one trial from another.
    Replay(RunId, String),
}

impl Settled {
    /// The key under which the provider gets a batch.
    pub fn key(&self, kind: WriteKind, digest: &str) -> String {
        let kind = match kind {
            WriteKind::Upsert => "upsert",
            WriteKind::Update => "update",
            WriteKind::Delete => "delete",
        };
        match self {
            Self::Run(run) => format!("{run}/{kind}/{digest}"),
            Self::Replay(run, trial) => format!("{run}/{trial}/{kind}/{digest}"),
        }
    }

    const fn run(&self) -> &RunId {
        match self {
            Self::Run(run) | Self::Replay(run, _) => run,
        }
    }

    /// Makes a step durable. False, and nothing is written, when the flow has changed meanwhile.
    pub async fn commit(
        &self,
        tx: &mut Tx,
        ctx: &TenantCtx,
        plan: &Plan,
        leg: Leg,
        step: Step,
    ) -> Result<bool> {
        let flow = &plan.flow;
        match tx.lock_flow(ctx, &flow.id).await? {
            None => return Err(Error::not_found("data flow")),
            Some(version) if version != flow.version => return Ok(false),
            Some(_) => {}
        }
        let dropped: Vec<&str> = step.dropped.iter().map(String::as_str).collect();
        tx.drop_links(ctx, &flow.id, &dropped).await?;
        tx.put_links(ctx, &flow.id, &step.links).await?;
        if plan.rejected_open > 0 && !step.taken.is_empty() {
            let taken: Vec<&str> = step.taken.iter().map(String::as_str).collect();
            tx.resolve_rejected(ctx, &flow.id, leg, &taken).await?;
        }
        let mut counts = step.counts;
        counts.rejected += step.refused.len() as u64;
        counts.checkpoints += 1;
        keep_refused(tx, ctx, plan, leg, self.run(), step.refused).await?;
        if let Some(scan) = &step.scan {
            tx.put_flow_scan(ctx, &flow.id, scan).await?;
        }
        let sent = counts.sent();
        let replay = matches!(self, Self::Replay(..));
        let failed = if replay { 0 } else { counts.rejected };
        if sent + failed > 0 {
            tx.add_flow_counts(ctx, &flow.id, sent, failed).await?;
        }
        if let Self::Run(run) = self {
            note(tx, ctx, plan, run, &counts).await?;
            if step.complete {
                tx.note_flow_synced(ctx, &flow.id).await?;
                health::succeeded(tx, ctx, &flow.integration, OPERATION).await?;
            }
        }
        Ok(true)
    }
}

/// Counts on from what is stored: an attempt that was given up may have had a checkpoint under way
/// that became durable later.
pub(super) async fn note(
    tx: &mut Tx,
    ctx: &TenantCtx,
    plan: &Plan,
    run: &RunId,
    added: &Counts,
) -> Result<()> {
    let stored = tx.run(ctx, run).await?.ok_or_else(|| Error::not_found("run"))?;
    let progress = Counts::stored(stored.progress.as_ref()).plus(added).output();
    tx.set_run_progress(ctx, run, &progress).await?;
    let added = added.output();
    let data = json!({ "run": run, "flow": plan.flow.id, "counts": progress, "added": added });
    tx.emit(ctx, EventType::SyncProgressed, run.as_str(), data).await
}
