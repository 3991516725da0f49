//! Sync. Inbound, a stream is read page by page, mapped, compared with what is there, and what
//! differs is written. Outbound, the records of a collection that changed are mapped, compared with
//! what was last sent, and what differs is sent. Both ways, the first comes before the second.
//!
//! Everything durable about a sync moves in one transaction per checkpoint: rows, cursor, refused
//! rows, counters, progress, event. A process that dies between two checkpoints loses only work
//! that the next attempt does again from the cursor, with the same result.
//!
//! - [`plan`] is a flow made ready: mapping compiled, key known, connection open.
//! - [`pages`] reads and maps ahead while rows are written; [`intake`] makes batches of them.
//! - [`decide`] says what a row would change; [`checkpoint`] makes it so. In a flow both ways
//!   [`pairs`] does, by what is known of the record and the provider's thing.
//! - [`drift`] looks after sources whose fields change.
//! - [`planned`] keeps what a sync would do: [`make`] makes such a plan, [`apply`] does it.
//! - [`outgoing`] says what is to be sent; [`push`] sends it, [`settle`] notes what became of it.

mod apply;
pub(crate) mod checkpoint;
mod counts;
pub(crate) mod decide;
mod drift;
pub(crate) mod fields;
mod gone;
pub(crate) mod intake;
mod make;
pub(crate) mod outgoing;
mod pages;
pub(crate) mod pairs;
pub(crate) mod plan;
pub(crate) mod planned;
pub(crate) mod push;
pub(crate) mod settle;

use std::sync::Arc;

use connectus_connect::CursorState;
use connectus_core::{
    Code, Error, FlowId, Result, TenantCtx, Timestamp,
    drill::Site,
    flow::{Deletes, Direction},
    run::Run,
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use self::{
    checkpoint::{Checkpoint, Committed, End},
    intake::Batch,
    pages::Pages,
    plan::Plan,
    planned::Task,
    push::{Push, Pushed},
    settle::Settled,
};
use crate::{
    health::{self, Problem},
    parts::Parts,
};

pub use counts::Counts;
pub(crate) use decide::{Decision, decide};
pub use plan::record_key;

/// What health log entries call a sync.
pub(crate) const OPERATION: &str = "sync";
/// How often a flow may be changed under one attempt before the attempt gives way.
const MAX_REPLANS: u32 = 5;

/// Works on a sync until its stream is read to the end. Returns its counters.
///
/// What was read before an error is kept. Cancelling keeps what has been read so far, too.
///
/// # Errors
/// Transient ones when another attempt from the cursor can help; `conflict` when cancelled;
/// `not_found` when the flow or its integration is gone.
pub async fn execute(
    parts: &Parts,
    ctx: &TenantCtx,
    run: &Run,
    cancel: &CancellationToken,
) -> Result<Value> {
    let flow = FlowId::parse(&run.subject_id).ok_or_else(|| Error::not_found("data flow"))?;
    let outcome = to_the_end(parts, ctx, run, &flow, cancel).await;
    if let Err(error) = &outcome
        && !cancel.is_cancelled()
    {
        log_problem(parts, ctx, run, &flow, error).await?;
    }
    outcome
}

async fn to_the_end(
    parts: &Parts,
    ctx: &TenantCtx,
    run: &Run,
    flow: &FlowId,
    cancel: &CancellationToken,
) -> Result<Value> {
    for _ in 0..MAX_REPLANS {
        let plan = Arc::new(Plan::load(parts, ctx, flow).await?);
        match Task::of(run) {
            None => {}
            Some(Task::Make(id)) => return make::make(parts, ctx, run, plan, &id, cancel).await,
            Some(Task::Apply(id)) => return apply::apply(parts, ctx, run, plan, &id, cancel).await,
        }
        let attempt = Attempt { parts, ctx, run, plan, cancel };
        match attempt.all().await? {
            Ended::Complete => {
                let run = parts.store.read().await?.run(ctx, &run.id).await?;
                return Ok(Counts::stored(run.and_then(|run| run.progress).as_ref()).output());
            }
            Ended::FlowChanged => {}
        }
    }
    Err(Error::new(Code::Unavailable, "The data flow keeps changing while it syncs.")
        .retry_after(5))
}

/// Enters what the provider's side did wrong in the health log, where people look for it.
async fn log_problem(
    parts: &Parts,
    ctx: &TenantCtx,
    run: &Run,
    flow: &FlowId,
    error: &Error,
) -> Result<()> {
    let theirs = matches!(
        error.code,
        Code::ReauthRequired
            | Code::ProviderRefused
            | Code::ProviderUnavailable
            | Code::RateLimited
            | Code::Timeout
            | Code::EgressDenied
    );
    if !theirs {
        return Ok(());
    }
    let Some(flow) = parts.store.read().await?.flow(ctx, flow).await? else { return Ok(()) };
    let problem = Problem {
        integration: Some(flow.integration),
        operation: OPERATION.to_owned(),
        error: error.clone(),
        run: Some(run.id.clone()),
    };
    health::report(&parts.store, ctx, problem).await
}

/// How reading a stream ended well.
enum Ended {
    /// Everything is read and written.
    Complete,
    /// The flow is not what it was when the plan was made: plan again.
    FlowChanged,
}

/// One pass over a stream with one plan.
struct Attempt<'a> {
    parts: &'a Parts,
    ctx: &'a TenantCtx,
    run: &'a Run,
    plan: Arc<Plan>,
    cancel: &'a CancellationToken,
}

impl Attempt<'_> {
    /// All ways of the flow, one after the other.
    async fn all(&self) -> Result<Ended> {
        let Some(out) = &self.plan.outgoing else { return self.pull().await };
        let Self { parts, ctx, cancel, .. } = *self;
        let settle = Settled::Run(self.run.id.clone());
        let push = Push { parts, ctx, plan: &self.plan, out, settle, cancel };
        if let Pushed::FlowChanged = push.recover().await? {
            return Ok(Ended::FlowChanged);
        }
        if self.plan.flow.direction == Direction::Bidirectional
            && let Ended::FlowChanged = self.pull().await?
        {
            return Ok(Ended::FlowChanged);
        }
        Ok(match push.scan(self.run).await? {
            Pushed::All => {
                self.plan.end.finish().await?;
                Ended::Complete
            }
            Pushed::FlowChanged => Ended::FlowChanged,
        })
    }

    /// Reads, maps and writes; the next batch is gathered while the last one is written.
    async fn pull(&self) -> Result<Ended> {
        let (flow, env) = (&self.plan.flow, self.parts.env().clone());
        let cursor = self.parts.store.read().await?.flow_cursor(self.ctx, &flow.id).await?;
        let cursor = cursor.map(CursorState);
        let now = self.parts.env().now();
        let full = self.plan.end.full_since(cursor.as_ref(), now);
        let reader = self.plan.read(cursor.as_ref()).await?;
        let watch = Some(drift::watch(&self.plan));
        let mut pages = Pages::prefetch(reader, self.plan.clone(), env, watch);
        let mut batch = intake::gather(&mut pages, self.cancel).await;
        loop {
            let Some(end) = batch.end.take() else {
                let gather = intake::gather(&mut pages, self.cancel);
                let (committed, next) = tokio::join!(self.commit(batch, End::Not), gather);
                if matches!(committed?, Committed::FlowChanged) {
                    return Ok(Ended::FlowChanged);
                }
                batch = next;
                continue;
            };
            if let Err(error) = end {
                // What came before the error is worth keeping.
                if !batch.is_empty() {
                    self.commit(batch, End::Not).await?;
                }
                return Err(error);
            }
            if let Some(noticed) = batch.halted.take() {
                if let Committed::Yes = self.commit(batch, End::Not).await? {
                    drift::halted(self.parts, self.ctx, &self.run.id, &self.plan, noticed).await?;
                }
                return Ok(Ended::FlowChanged);
            }
            let end = if self.plan.outgoing.is_none() { End::OfAll } else { End::OfReading };
            return Ok(match self.commit(batch, end).await? {
                Committed::Yes => self.gone(full).await?,
                Committed::FlowChanged => Ended::FlowChanged,
            });
        }
    }

    /// A full read that began at `since` has come to its end.
    async fn gone(&self, since: Option<Timestamp>) -> Result<Ended> {
        let (Some(since), true) = (since, self.plan.flow.options.deletes != Deletes::Ignore) else {
            return Ok(Ended::Complete);
        };
        let done = gone::there(self.parts, self.ctx, self.run, &self.plan, since).await?;
        Ok(if done { Ended::Complete } else { Ended::FlowChanged })
    }

    async fn commit(&self, batch: Batch, end: End) -> Result<Committed> {
        let checkpoint = Checkpoint {
            ctx: self.ctx.clone(),
            run: self.run.id.clone(),
            plan: self.plan.clone(),
            read: Counts::read_for(&batch),
            items: batch.items,
            cursor: batch.cursor,
            shape: batch.shape,
            drift: batch.drift,
            end,
        };
        self.parts
            .store
            .write_at(&[Site::Checkpoint], move |tx| Box::pin(checkpoint.commit(tx)))
            .await
    }
}
