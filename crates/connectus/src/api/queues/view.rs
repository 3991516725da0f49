//! A queue as callers see it.

use connectus_engine::queues::{Depth, Figures, QueueState, Times};
use serde::Serialize;
use utoipa::ToSchema;

/// A queue, as it stands for this tenant.
#[derive(Serialize, ToSchema)]
pub struct QueueView {
    /// Name.
    name: &'static str,
    /// What it holds: `workflows`, `syncs` or `deliveries`.
    #[schema(value_type = String)]
    holds: connectus_core::queue::Holds,
    /// Its share of attention; higher goes first.
    weight: i64,
    /// Runs worked on at once, of all tenants together.
    concurrency: usize,
    /// Seconds after which an attempt, of a step or of a sync, is given up.
    timeout_secs: u64,
    /// Since when this tenant has paused it; null when it has not.
    paused_at: Option<String>,
    /// Who paused it.
    paused_by: Option<String>,
    /// Whether the operator has stopped it for everyone.
    stopped: bool,
    /// What is in it.
    depth: DepthView,
    /// What became of what came in during the last 15 minutes; null for deliveries.
    lately: Option<FiguresView>,
}

/// What is in a queue.
#[derive(Serialize, ToSchema)]
pub struct DepthView {
    /// Due, and not begun or gone on with yet.
    ready: u64,
    /// Due later: delayed, resting, waiting for a signal.
    later: u64,
    /// Being worked on: the slots this tenant occupies.
    busy: u64,
    /// In quarantine: their processes died again and again.
    quarantined: u64,
    /// Failed for good, and nothing has made up for it.
    dead_letters: u64,
    /// Since when the first one that is ready has been due.
    oldest_ready_at: Option<String>,
}

/// What became of the runs that came in lately.
#[derive(Serialize, ToSchema)]
pub struct FiguresView {
    /// Seconds that this covers: 900, or fewer when more than 10,000 runs came in.
    secs: i64,
    /// Accepted.
    accepted: u64,
    /// Ended well.
    completed: u64,
    /// Ended badly.
    failed: u64,
    /// Ended, well or badly, per minute.
    per_minute: f64,
    /// Milliseconds from being accepted to the beginning of work.
    wait_ms: TimesView,
    /// Milliseconds from the beginning of work to the end, rests included.
    work_ms: TimesView,
}

/// How long something took.
#[derive(Serialize, ToSchema)]
pub struct TimesView {
    /// Half of them took at most this.
    p50: Option<i64>,
    /// 95 of 100 took at most this.
    p95: Option<i64>,
}

impl QueueView {
    /// A queue for callers.
    pub fn of(state: QueueState) -> Self {
        let QueueState { queue, pause, is_stopped, depth, lately } = state;
        Self {
            name: queue.name,
            holds: queue.holds,
            weight: queue.weight,
            concurrency: queue.concurrency,
            timeout_secs: queue.timeout_secs,
            paused_at: pause.as_ref().map(|pause| pause.at.to_string()),
            paused_by: pause.map(|pause| pause.by),
            stopped: is_stopped,
            depth: DepthView::of(&depth),
            lately: lately.as_ref().map(FiguresView::of),
        }
    }
}

impl DepthView {
    fn of(depth: &Depth) -> Self {
        Self {
            ready: depth.ready,
            later: depth.later,
            busy: depth.busy,
            quarantined: depth.quarantined,
            dead_letters: depth.dead_letters,
            oldest_ready_at: depth.oldest.map(|at| at.to_string()),
        }
    }
}

impl FiguresView {
    fn of(figures: &Figures) -> Self {
        let times = |times: &Times| TimesView { p50: times.p50, p95: times.p95 };
        Self {
            secs: figures.secs,
            accepted: figures.accepted,
            completed: figures.completed,
            failed: figures.failed,
            per_minute: figures.per_minute(),
            wait_ms: times(&figures.wait),
            work_ms: times(&figures.work),
        }
    }
}
