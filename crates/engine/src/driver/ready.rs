//! Whose turn it is: the places of each queue, and the runs that wait for one, in memory.
//!
//! The database holds all runs that wait; here is the beginning of each tenant's line, so that a
//! backlog of any length takes little memory. Places go to tenants, not to runs: to the tenant that
//! has the fewest for its weight, and among those by turns, of which each gets as many as it
//! weighs, so that a flood of one tenant costs the others no more than the place they wait for. Of
//! the places that the others leave it, a tenant leaves a few free, so that whoever comes next need
//! not wait at all, however many the others hold by then. Within a tenant's line [`Place`] decides,
//! and what waits grows older.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use connectus_core::{
    RunId, TenantId,
    queue::{Place, Queue, Queues, Weight},
};
use connectus_store::runs::ReadyRun;

/// Runs of a line that are held in memory; the rest is read when they are gone.
pub(super) const AHEAD: usize = 64;
/// Of so many places that others leave it, a tenant leaves one free.
const KEPT: usize = 8;
/// How far a turn of a tenant of weight 1 puts it back. All weights divide it closely enough.
const STRIDE: u64 = 1 << 20;

/// The queues that runs wait in.
pub(super) struct Ready {
    /// In the order of their weight.
    lanes: Vec<Lane>,
}

/// What to do next for a queue.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Work on this run; its place is taken.
    Run(ReadyRun),
    /// Read the beginning of a tenant's line, then ask again.
    Read(TenantId),
}

struct Lane {
    queue: Queue,
    busy: usize,
    lines: HashMap<TenantId, Line>,
    /// Lines with something in them, the next to be served first.
    order: BTreeSet<Rank>,
    /// The turn of the line that was served last.
    now: u64,
    /// What tenants weigh, where it is not the usual.
    weights: Arc<HashMap<TenantId, Weight>>,
}

/// Busy places for each point of weight, whose turn it is, whose line.
type Rank = (usize, u64, TenantId);

#[derive(Default)]
struct Line {
    busy: usize,
    weight: Weight,
    /// Its turn: the least goes first. Each time it is served it moves on by a stride that is the
    /// shorter the more it weighs.
    turn: u64,
    /// By place, and whether few of its kind may be under way at once.
    waiting: BTreeMap<(Place, RunId), bool>,
    /// Whether the database may hold more than `waiting`.
    more: bool,
}

impl Line {
    fn wants(&self) -> bool {
        self.more || !self.waiting.is_empty()
    }

    /// Places below the weight count as none: there turns decide, and not who comes to lack one.
    fn rank(&self, tenant: &TenantId) -> Rank {
        (self.busy / self.weight.get() as usize, self.turn, tenant.clone())
    }
}

impl Lane {
    /// Changes a line and puts it where it belongs now.
    fn change<T>(&mut self, tenant: &TenantId, change: impl FnOnce(&mut Line) -> T) -> T {
        let line = self.lines.entry(tenant.clone()).or_default();
        self.order.remove(&line.rank(tenant));
        let wanted = line.wants();
        let changed = change(line);
        if line.wants() {
            if !wanted {
                // Turns that it did not want are not made up for.
                line.turn = line.turn.max(self.now);
                line.weight = self.weights.get(tenant).copied().unwrap_or_default();
            }
            self.order.insert(line.rank(tenant));
        } else if line.busy == 0 {
            self.lines.remove(tenant);
        }
        changed
    }

    /// Whether a tenant that has so many places may have one more.
    fn may_have_more(&self, busy: usize) -> bool {
        let left_by_others = (self.queue.concurrency + busy).saturating_sub(self.busy);
        busy < left_by_others - left_by_others / KEPT
    }

    /// Whether a run waits that there is, or may be, a place for.
    fn is_anyone_next(&self) -> bool {
        self.busy < self.queue.concurrency && self.first().is_some()
    }

    /// Whether there is a place for a run of a tenant that has just come in: one that would be
    /// given to it next, if it waited.
    fn has_free(&self, tenant: &TenantId) -> bool {
        if self.busy >= self.queue.concurrency {
            return false;
        }
        let (wants, busy) =
            self.lines.get(tenant).map_or((false, 0), |line| (line.wants(), line.busy));
        if wants || !self.may_have_more(busy) {
            return false;
        }
        let weight = self.weights.get(tenant).copied().unwrap_or_default();
        let first = self.first().and_then(|first| self.lines.get(first).map(|line| (first, line)));
        first.is_none_or(|(first, line)| busy / (weight.get() as usize) < line.rank(first).0)
    }

    fn next(&mut self) -> Option<Turn> {
        if self.busy >= self.queue.concurrency {
            return None;
        }
        let tenant = self.first()?.clone();
        let taken = self.change(&tenant, |line| {
            let first = line.waiting.pop_first()?;
            let turn = line.turn;
            line.busy += 1;
            line.turn += STRIDE / u64::from(line.weight.get());
            Some((first, turn))
        });
        let Some((((place, run), is_keyed), turn)) = taken else { return Some(Turn::Read(tenant)) };
        self.now = self.now.max(turn);
        self.busy += 1;
        let queue = self.queue.name.to_owned();
        Some(Turn::Run(ReadyRun { tenant, run, queue, place, is_keyed }))
    }

    /// The line that is served next, if any may have one more place.
    fn first(&self) -> Option<&TenantId> {
        // Few are passed over: while a place is free, each of those holds at least seven.
        let mut lines = self.order.iter().map(|(.., tenant)| tenant);
        let busy = |tenant: &TenantId| self.lines.get(tenant).map_or(0, |line| line.busy);
        lines.find(|tenant| self.may_have_more(busy(tenant)))
    }

    /// Takes in what tenants weigh now.
    fn weigh(&mut self, weights: &Arc<HashMap<TenantId, Weight>>) {
        self.weights = weights.clone();
        let (order, lines) = (&mut self.order, &mut self.lines);
        order.clear();
        for (tenant, line) in lines.iter_mut() {
            line.weight = weights.get(tenant).copied().unwrap_or_default();
            if line.wants() {
                order.insert(line.rank(tenant));
            }
        }
    }

    fn push(&mut self, run: ReadyRun) {
        self.change(&run.tenant, |line| {
            let key = (run.place, run.run);
            // A line that goes on in the database is held up to its last known place only.
            let ahead = line.waiting.last_key_value().is_some_and(|(last, _)| key < *last);
            if !line.more || ahead {
                line.waiting.insert(key, run.is_keyed);
            }
            if line.waiting.len() > AHEAD {
                line.more = true;
                line.waiting.pop_last();
            }
        });
    }
}

impl Ready {
    pub fn new(queues: &Queues) -> Self {
        let lane = |queue| Lane {
            queue,
            busy: 0,
            lines: HashMap::new(),
            order: BTreeSet::new(),
            now: 0,
            weights: Arc::default(),
        };
        Self { lanes: queues.of_runs().map(lane).collect() }
    }

    fn lane(&mut self, queue: &str) -> Option<&mut Lane> {
        self.lanes.iter_mut().find(|lane| lane.queue.name == queue)
    }

    /// What tenants weigh from now on, where it is not the usual.
    pub fn weigh(&mut self, weights: HashMap<TenantId, Weight>) {
        let weights = Arc::new(weights);
        for lane in &mut self.lanes {
            if *lane.weights != *weights {
                lane.weigh(&weights);
            }
        }
    }

    /// A run waits for its turn.
    pub fn push(&mut self, run: ReadyRun) {
        // A queue that this version does not know is left for one that does.
        if let Some(lane) = self.lane(&run.queue) {
            lane.push(run);
        }
    }

    /// The database may hold runs of these tenants that are not known here.
    pub fn more(&mut self, queue: &str, tenants: Vec<TenantId>) {
        let Some(lane) = self.lane(queue) else { return };
        for tenant in tenants {
            lane.change(&tenant, |line| line.more = true);
        }
    }

    /// What the beginning of a line was found to be.
    pub fn read(&mut self, queue: &str, tenant: &TenantId, runs: Vec<ReadyRun>) {
        let Some(lane) = self.lane(queue) else { return };
        lane.change(tenant, |line| {
            line.more = runs.len() >= AHEAD;
            let kept = |run: ReadyRun| ((run.place, run.run), run.is_keyed);
            line.waiting = runs.into_iter().map(kept).collect();
        });
    }

    /// Whose turn it is in any queue; those with more weight come first.
    pub fn next(&mut self) -> Option<(&'static str, Turn)> {
        self.lanes.iter_mut().find_map(|lane| Some((lane.queue.name, lane.next()?)))
    }

    /// Takes a place for a run that has just come in, if one is free and nobody who has as few
    /// waits for it.
    pub fn take_free(&mut self, queue: &str, tenant: &TenantId) -> Option<&'static str> {
        let lane = self.lane(queue)?;
        if !lane.has_free(tenant) {
            return None;
        }
        // A place that nobody waits for costs no turn, and one before others none either: turns are
        // for those who have as few.
        lane.change(tenant, |line| line.busy += 1);
        lane.busy += 1;
        Some(lane.queue.name)
    }

    /// A place is free again.
    pub fn free(&mut self, queue: &str, tenant: &TenantId) {
        let Some(lane) = self.lane(queue) else { return };
        lane.busy = lane.busy.saturating_sub(1);
        lane.change(tenant, |line| line.busy = line.busy.saturating_sub(1));
    }

    /// Whether a run waits that there is, or may be, a place for.
    pub fn is_anyone_next(&self) -> bool {
        self.lanes.iter().any(Lane::is_anyone_next)
    }

    /// Places taken in a queue.
    pub fn busy(&self, queue: &str) -> usize {
        self.lanes.iter().find(|lane| lane.queue.name == queue).map_or(0, |lane| lane.busy)
    }
}

#[cfg(test)]
mod tests;
