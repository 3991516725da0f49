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
mod tests {
    use connectus_core::Timestamp;

    use super::*;

    fn ready(places: usize) -> Ready {
        let mut queues = Queues::default();
        queues.set_concurrency("workflow", places).unwrap();
        Ready::new(&queues)
    }

    fn run(tenant: &str, name: &str, secs: i64, priority: i64) -> ReadyRun {
        ReadyRun {
            tenant: TenantId::trusted(tenant),
            run: RunId::trusted(name),
            queue: "workflow".to_owned(),
            place: Place::of(true, Timestamp::from_secs(secs), priority),
            is_keyed: false,
        }
    }

    /// The runs that get a place now.
    fn taken(ready: &mut Ready) -> Vec<String> {
        let mut runs = Vec::new();
        while let Some((_, turn)) = ready.next() {
            match turn {
                Turn::Run(run) => runs.push(run.run.to_string()),
                Turn::Read(tenant) => ready.read("workflow", &tenant, Vec::new()),
            }
        }
        runs
    }

    #[test]
    fn places_go_to_tenants_by_turns_however_many_runs_one_has() {
        let mut ready = ready(8);
        for n in 0..20 {
            ready.push(run("flood", &format!("f{n:02}"), n, 0));
        }
        ready.push(run("calm", "c1", 100, 0));
        ready.push(run("calm", "c2", 101, 0));
        ready.push(run("third", "t1", 102, 0));
        let first = taken(&mut ready);
        assert_eq!(first.len(), 8);
        assert_eq!(&first[..5], ["c1", "f00", "t1", "c2", "f01"]);
        ready.free("workflow", &TenantId::trusted("calm"));
        assert_eq!(taken(&mut ready).len(), 1);
    }

    #[test]
    fn a_tenant_alone_leaves_a_place_for_the_next() {
        let mut ready = ready(8);
        for n in 0..20 {
            ready.push(run("flood", &format!("f{n:02}"), n, 0));
        }
        assert_eq!(taken(&mut ready).len(), 7);
        assert!(!ready.is_anyone_next());
        ready.push(run("calm", "c1", 100, 0));
        assert_eq!(taken(&mut ready), ["c1"]);
        assert_eq!(ready.busy("workflow"), 8);
    }

    #[test]
    fn a_flood_leaves_places_free_however_many_the_others_hold() {
        let mut ready = ready(64);
        let (flood, calm) = (TenantId::trusted("flood"), TenantId::trusted("calm"));
        for n in 0..100 {
            ready.push(run("flood", &format!("f{n:03}"), n, 0));
        }
        let mut flooded = taken(&mut ready).len();
        assert_eq!(flooded, 56);
        for held in 1..=28 {
            assert!(ready.take_free("workflow", &calm).is_some(), "{held} held, none left");
            // As runs of the flood end, it takes no more than leaves some free again.
            ready.free("workflow", &flood);
            ready.free("workflow", &flood);
            flooded = flooded - 2 + taken(&mut ready).len();
            assert!(flooded <= (64 - held) * 7 / 8 + 1, "{flooded} beside {held}");
        }
    }

    #[test]
    fn what_comes_in_goes_before_those_who_have_more_places_and_behind_its_own_line() {
        let mut ready = ready(8);
        let (flood, calm) = (TenantId::trusted("flood"), TenantId::trusted("calm"));
        for n in 0..20 {
            ready.push(run("flood", &format!("f{n:02}"), n, 0));
        }
        assert_eq!(taken(&mut ready).len(), 7);
        ready.free("workflow", &flood);
        // Two places, and a line of the flood that waits for one of them.
        assert!(ready.is_anyone_next());
        assert_eq!(ready.take_free("workflow", &flood), None, "its own line waits");
        assert!(ready.take_free("workflow", &calm).is_some());
        assert!(ready.take_free("workflow", &calm).is_some(), "one place against six");
        assert_eq!(ready.take_free("workflow", &calm), None, "none is left");
        ready.free("workflow", &flood);
        ready.push(run("calm", "c1", 100, 0));
        assert_eq!(ready.take_free("workflow", &calm), None, "c1 came first");
        // Of two that have as few, the one that waits comes first.
        assert_eq!(taken(&mut ready), ["c1"]);
        ready.push(run("third", "t1", 100, 0));
        ready.free("workflow", &calm);
        ready.free("workflow", &calm);
        ready.free("workflow", &calm);
        assert_eq!(ready.take_free("workflow", &calm), None, "t1 waits, and has none");
        assert_eq!(taken(&mut ready)[0], "t1");
    }

    /// Serves so many runs one after the other; how many of them were of each tenant.
    fn shares(ready: &mut Ready, turns: usize) -> HashMap<String, usize> {
        let mut shares = HashMap::new();
        for _ in 0..turns {
            let Some((queue, Turn::Run(run))) = ready.next() else { panic!("nobody is next") };
            *shares.entry(run.tenant.to_string()).or_default() += 1;
            ready.free(queue, &run.tenant);
        }
        shares
    }

    #[test]
    fn turns_and_places_go_by_weight() {
        let weighed = HashMap::from([(TenantId::trusted("heavy"), Weight::new(3).unwrap())]);
        let fill = |ready: &mut Ready| {
            for n in 0..60 {
                ready.push(run("light", &format!("l{n:02}"), n, 0));
                ready.push(run("heavy", &format!("h{n:02}"), n, 0));
            }
        };
        // One place: turns.
        let mut one = ready(1);
        one.weigh(weighed.clone());
        fill(&mut one);
        let found = shares(&mut one, 40);
        assert_eq!((found["heavy"], found["light"]), (30, 10));
        // Many places, held: shares of them.
        let mut many = ready(16);
        fill(&mut many);
        many.weigh(weighed);
        let held = taken(&mut many);
        let heavy = |held: &[String]| held.iter().filter(|run| run.starts_with('h')).count();
        assert_eq!((heavy(&held), held.len()), (11, 16), "one of its twelve it leaves free");
        // As before once it weighs no more than others.
        many.weigh(HashMap::new());
        for _ in 0..11 {
            many.free("workflow", &TenantId::trusted("heavy"));
        }
        let held = taken(&mut many);
        assert_eq!(heavy(&held), 7, "of eight, too");
    }

    #[test]
    fn turns_that_a_tenant_did_not_want_are_not_made_up_for() {
        let mut ready = ready(1);
        for n in 0..60 {
            ready.push(run("busy", &format!("b{n:02}"), n, 0));
        }
        shares(&mut ready, 20);
        for n in 0..20 {
            ready.push(run("late", &format!("l{n:02}"), n, 0));
        }
        let found = shares(&mut ready, 20);
        assert_eq!((found["busy"], found["late"]), (10, 10));
    }

    #[test]
    fn a_heavy_tenant_starves_nobody_and_leaves_its_places() {
        let mut ready = ready(8);
        let weight = Weight::new(100).unwrap();
        ready.weigh(HashMap::from([(TenantId::trusted("heavy"), weight)]));
        for n in 0..64 {
            ready.push(run("heavy", &format!("h{n:02}"), n, 0));
        }
        assert_eq!(taken(&mut ready).len(), 7, "a place is kept for others, whatever it weighs");
        ready.push(run("light", "l1", 900, 0));
        assert_eq!(taken(&mut ready), ["l1"]);
    }

    #[test]
    fn priority_is_a_head_start_within_a_line() {
        let mut ready = ready(3);
        ready.push(run("a", "plain", 100, 0));
        ready.push(run("a", "urgent", 150, 10));
        ready.push(run("a", "idle", 100, -10));
        assert_eq!(taken(&mut ready), ["urgent", "plain", "idle"]);
    }

    #[test]
    fn a_long_line_is_held_in_part_and_read_on() {
        let mut ready = ready(200);
        let all: Vec<_> = (0..200).map(|n| run("a", &format!("r{n:03}"), n, 0)).collect();
        all.iter().rev().cloned().for_each(|run| ready.push(run));
        let (mut order, mut reads) = (Vec::new(), 0);
        while let Some((queue, turn)) = ready.next() {
            match turn {
                Turn::Run(run) => order.push(run.run.to_string()),
                Turn::Read(tenant) => {
                    reads += 1;
                    let left = all.iter().filter(|run| !order.contains(&run.run.to_string()));
                    ready.read(queue, &tenant, left.take(AHEAD).cloned().collect());
                }
            }
        }
        let expected: Vec<_> = (0..175).map(|n| format!("r{n:03}")).collect();
        assert_eq!(order, expected, "in order, and an eighth of the places is kept");
        assert_eq!(reads, 2);
    }

    #[test]
    fn what_comes_before_the_known_part_of_a_long_line_goes_first() {
        let mut ready = ready(100);
        for n in 0..=i64::try_from(AHEAD).unwrap() {
            ready.push(run("a", &format!("r{n:03}"), n, 0));
        }
        ready.push(run("a", "late", 900, 0));
        ready.push(run("a", "early", -1, 0));
        assert_eq!(ready.next(), Some(("workflow", Turn::Run(run("a", "early", -1, 0)))));
        let lane = ready.lane("workflow").unwrap();
        let line = &lane.lines[&TenantId::trusted("a")];
        assert!(line.more && line.waiting.len() < AHEAD, "`late` is left to the database");
    }

    #[test]
    fn nothing_is_kept_of_tenants_without_work() {
        let mut ready = ready(4);
        ready.push(run("a", "r1", 1, 0));
        assert_eq!(taken(&mut ready).len(), 1);
        ready.free("workflow", &TenantId::trusted("a"));
        let lane = ready.lane("workflow").unwrap();
        assert!(lane.lines.is_empty() && lane.order.is_empty());
    }
}
