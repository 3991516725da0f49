//! What a monitor shows of queues, and pausing them. A paused queue holds its runs back: none
//! begins or goes on, those under way end or come to rest.

use std::collections::HashMap;

use connectus_core::{
    Code, Error, Result, TenantCtx, Timestamp,
    queue::{Holds, Queue, named},
};
use connectus_store::queues::{Lately, Open, Pause};
use serde_json::json;

use crate::parts::Parts;

/// Seconds that rates and times are taken from.
pub const WINDOW_SECS: i64 = 900;
/// Runs that rates and times are taken from at most, the newest.
const SAMPLE: u32 = 10_000;

/// A queue as it stands for one tenant.
#[derive(Clone, Debug)]
pub struct QueueState {
    /// The queue with its limits.
    pub queue: Queue,
    /// Since when the tenant has paused it, and who did.
    pub pause: Option<Pause>,
    /// Whether the operator has stopped it for everyone.
    pub is_stopped: bool,
    /// What is in it.
    pub depth: Depth,
    /// What became of what came in lately; none for deliveries.
    pub lately: Option<Figures>,
}

/// What is in a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Due, and not begun or gone on with yet.
    pub ready: u64,
    /// Due later: delayed, resting, waiting for a signal.
    pub later: u64,
    /// Being worked on.
    pub busy: u64,
    /// Set apart: their processes died again and again.
    pub quarantined: u64,
    /// Failed for good, and nothing has made up for it.
    pub dead_letters: u64,
    /// Since when the first one that is ready has been due.
    pub oldest: Option<Timestamp>,
}

/// What became of the runs accepted in the last [`WINDOW_SECS`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Seconds that this covers; fewer than the window when very many runs came in.
    pub secs: i64,
    /// Accepted.
    pub accepted: u64,
    /// Ended well.
    pub completed: u64,
    /// Ended badly.
    pub failed: u64,
    /// From being accepted to the beginning of work.
    pub wait: Times,
    /// From the beginning of work to the end, rests included.
    pub work: Times,
}

/// How long something took, in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// Half of them took at most this.
    pub p50: Option<i64>,
    /// 95 of 100 took at most this.
    pub p95: Option<i64>,
}

impl Figures {
    /// Runs that ended, well or badly, per minute.
    pub fn per_minute(&self) -> f64 {
        let ended = u32::try_from(self.completed + self.failed).unwrap_or(u32::MAX);
        let secs = i32::try_from(self.secs.max(1)).unwrap_or(i32::MAX);
        f64::from(ended) * 60.0 / f64::from(secs)
    }
}

impl Times {
    fn of(mut millis: Vec<i64>) -> Self {
        millis.sort_unstable();
        let at = |percent: usize| {
            let place = (millis.len() * percent).div_ceil(100).saturating_sub(1);
            millis.get(place).copied()
        };
        Self { p50: at(50), p95: at(95) }
    }
}

/// All queues as they stand for a tenant.
///
/// # Errors
/// What the database says.
pub async fn all(parts: &Parts, ctx: &TenantCtx) -> Result<Vec<QueueState>> {
    let now = parts.env().now();
    let mut conn = parts.store.read().await?;
    let pauses = conn.queue_pauses(ctx).await?;
    let names: Vec<_> = parts.queues.of_runs().map(|queue| queue.name).collect();
    let open = conn.open_runs(ctx, &names, now).await?;
    let dead: HashMap<String, u64> = conn.dead_runs(ctx).await?.into_iter().collect();
    let deliveries = conn.open_deliveries(ctx, now).await?;
    let since = now.plus_secs(-WINDOW_SECS);
    let lately = conn.runs_since(ctx, since, SAMPLE).await?;
    let is_whole = lately.len() < usize::try_from(SAMPLE).unwrap_or(usize::MAX);
    let since = lately.last().filter(|_| !is_whole).map_or(since, |oldest| oldest.created_at);
    let mut states = Vec::new();
    for queue in parts.queues.iter() {
        let is_stopped = conn.is_queue_stopped(queue.name).await?;
        let of_queue = |open: &&Open| open.queue == queue.name;
        let (depth, figures) = match queue.holds {
            Holds::Deliveries => (depth(deliveries.iter(), 0), None),
            Holds::Workflows | Holds::Syncs => (
                depth(open.iter().filter(of_queue), *dead.get(queue.name).unwrap_or(&0)),
                Some(figures(lately.iter().filter(|run| run.queue == queue.name), since, now)),
            ),
        };
        let pause = pauses.iter().find(|pause| pause.queue == queue.name).cloned();
        states.push(QueueState { queue: *queue, pause, is_stopped, depth, lately: figures });
    }
    Ok(states)
}

/// One queue as it stands for a tenant.
///
/// # Errors
/// `not_found` for a queue there is not.
pub async fn one(parts: &Parts, ctx: &TenantCtx, name: &str) -> Result<QueueState> {
    let states = all(parts, ctx).await?;
    let found = states.into_iter().find(|state| state.queue.name == name);
    found.ok_or_else(|| Error::not_found("queue"))
}

fn depth<'o>(open: impl Iterator<Item = &'o Open>, dead_letters: u64) -> Depth {
    let mut depth = Depth { dead_letters, ..Depth::default() };
    for open in open {
        match open.status.as_str() {
            "running" => depth.busy += open.count,
            "quarantined" => depth.quarantined += open.count,
            "dead" => depth.dead_letters += open.count,
            _ => {
                depth.ready += open.due;
                depth.later += open.count.saturating_sub(open.due);
                if open.due > 0 {
                    let oldest = depth.oldest.map_or(open.oldest, |oldest| oldest.min(open.oldest));
                    depth.oldest = Some(oldest);
                }
            }
        }
    }
    depth
}

fn figures<'r>(
    runs: impl Iterator<Item = &'r Lately>,
    since: Timestamp,
    now: Timestamp,
) -> Figures {
    let secs = (now.millis() - since.millis()).max(1_000) / 1_000;
    let mut figures = Figures { secs, ..Figures::default() };
    let (mut waits, mut works) = (Vec::new(), Vec::new());
    for run in runs {
        figures.accepted += 1;
        match run.status.as_str() {
            "completed" => figures.completed += 1,
            "failed" => figures.failed += 1,
            _ => {}
        }
        if let Some(started) = run.started_at {
            waits.push((started.millis() - run.created_at.millis()).max(0));
            works.extend(run.finished_at.map(|end| (end.millis() - started.millis()).max(0)));
        }
    }
    Figures { wait: Times::of(waits), work: Times::of(works), ..figures }
}

/// Pauses a queue for a tenant, or lets it go on. Once more does nothing.
///
/// # Errors
/// `not_found` for a queue there is not.
pub async fn pause(parts: &Parts, ctx: &TenantCtx, name: &str, paused: bool) -> Result<()> {
    let (ctx, queue) = (ctx.clone(), known(name)?);
    let write = parts.store.write(move |tx| {
        Box::pin(async move {
            let (changed, action) = match paused {
                true => (tx.pause_queue(&ctx, queue.name).await?, "queue.paused"),
                false => (tx.resume_queue(&ctx, queue.name).await?, "queue.resumed"),
            };
            if changed {
                tx.audit(&ctx, action, queue.name, json!({})).await?;
            }
            Ok(())
        })
    });
    write.await
}

/// Stops a queue for every tenant, or lets it go on where tenants have not paused it themselves.
///
/// # Errors
/// `not_found` for a queue there is not.
pub async fn stop(parts: &Parts, tenants: Vec<TenantCtx>, name: &str, stopped: bool) -> Result<()> {
    let queue = known(name)?;
    let write = parts.store.write(move |tx| {
        Box::pin(async move {
            if tx.is_queue_stopped(queue.name).await? == stopped {
                return Ok(());
            }
            tx.stop_queue(queue.name, stopped).await?;
            let action = if stopped { "queue.stopped" } else { "queue.started" };
            for ctx in &tenants {
                tx.audit(ctx, action, queue.name, json!({})).await?;
            }
            Ok(())
        })
    });
    write.await
}

fn known(name: &str) -> Result<Queue> {
    named(name).map_err(|error| Error::new(Code::NotFound, error.detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_sample() {
        assert_eq!(Times::of(vec![]), Times { p50: None, p95: None });
        assert_eq!(Times::of(vec![7]), Times { p50: Some(7), p95: Some(7) });
        let times = Times::of((1..=100).rev().collect());
        assert_eq!(times, Times { p50: Some(50), p95: Some(95) });
    }

    #[test]
    fn what_is_due_is_ready_and_the_oldest_of_it_is_told() {
        let open = |status: &str, count, due, oldest| Open {
            queue: "workflow".into(),
            status: status.into(),
            count,
            due,
            oldest: Timestamp(oldest),
        };
        let found = [
            open("queued", 5, 3, 40),
            open("waiting", 10, 1, 30),
            open("running", 2, 2, 1),
            open("waiting", 4, 0, 90),
            open("quarantined", 3, 3, 1),
        ];
        let depth = depth(found.iter(), 6);
        let oldest = Some(Timestamp(30));
        let expected =
            Depth { ready: 4, later: 15, busy: 2, quarantined: 3, dead_letters: 6, oldest };
        assert_eq!(depth, expected);
    }
}
