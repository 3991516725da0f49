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
