//! What happens in a world made up by a seed: runs, signals, wishes to stop, jumps of the clock,
//! and processes that die or are told lies in between.

use std::{collections::BTreeMap, sync::Mutex};

use connectus_core::{Code, Result, RunId, Timestamp, drill::Site};
use connectus_engine::{
    deliveries::subscriptions::{self, NewSubscription},
    workflows,
};
use serde_json::{Value, json};

use crate::{
    generate::{self, Random},
    script::{Fault, Plan, Script},
    verdict,
    world::{Process, SUBSCRIBER, World},
};

/// Acts of a play.
const ACTS: usize = 14;
/// Faults of a play at most.
const MOST_FAULTS: usize = 6;
/// Processes after which a play is over, whatever its faults.
const LIVES: usize = MOST_FAULTS + 2;
/// Times a clock is set forward until all must have ended.
const PATIENCE: usize = 40;
/// When plays begin: an ordinary Monday, before both changes of the clock, before a new year.
const BEGINNINGS: [i64; 4] = [1_767_603_600, 1_774_740_600, 1_792_884_600, 1_798_750_800];

/// What is due by now, from outside.
struct Stage {
    random: Random,
    acts: usize,
    /// The present act, until it is acknowledged.
    act: Option<Act>,
    started: usize,
    /// Runs that were acknowledged, by key.
    acknowledged: BTreeMap<String, RunId>,
}

#[derive(Clone, Debug)]
enum Act {
    Start { workflow: String, k: String, n: usize },
    Signal(RunId),
    Cancel(RunId),
    Jump(i64),
    Work,
}

/// What a play leaves behind.
pub struct Outcome {
    /// A number made of all that happened.
    pub hash: u64,
    /// Faults that struck.
    pub faults: usize,
    /// Runs there were.
    pub runs: usize,
}

/// Plays what a seed says, and checks what is left of it.
pub fn play(seed: u64) -> Outcome {
    let named = Named(seed);
    let world = World::new(seed, 0).with_open_door(seed % 2 == 1);
    let mut random = Random::seeded(seed);
    world.clock.set(Timestamp::from_secs(random.of(&BEGINNINGS)));
    let names = world.live(None, async |process| prepare(&process, &mut random).await).unwrap();
    let script = Script::new(chance(seed));
    let stage =
        Mutex::new(Stage { random, acts: 0, act: None, started: 0, acknowledged: BTreeMap::new() });
    for life in 0.. {
        assert!(life <= LIVES, "its processes die for ever");
        let lived = world.live(Some(&script), async |process| {
            while let Some(act) = next(&stage, &names) {
                insist(&world, &process, &stage, &act).await;
                stage.lock().unwrap().act = None;
            }
        });
        if lived.is_some() {
            break;
        }
    }
    world.live(None, async |process| end(&world, &process).await).unwrap();
    let acknowledged = stage.into_inner().unwrap().acknowledged;
    let (hash, runs) = world
        .live(None, async |process| verdict::judge(&world, &process, &acknowledged).await)
        .unwrap();
    drop(named);
    Outcome { hash, faults: script.struck().len(), runs }
}

/// Says which seed it was, when something is wrong.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("again: cargo xtask sim --first {} --seeds 1", self.0);
        }
    }
}

/// Faults by chance, as many as a play can take.
fn chance(seed: u64) -> Plan {
    let mut random = Random::seeded(seed ^ 0xfa17);
    let (mut left, mut step_errors) = (random.below(MOST_FAULTS + 1), 1);
    Plan::Chance(Box::new(move |point| {
        if left == 0 || !random.chance(15) {
            return None;
        }
        let fault = random.of(&[Fault::Crash, Fault::Error, Fault::Delay]);
        // An undoing has few attempts, and none of its failures is to be the last.
        if fault == Fault::Error && matches!(point.site, Site::Step | Site::Call) {
            if step_errors == 0 {
                return None;
            }
            step_errors -= 1;
        }
        left -= 1;
        Some(fault)
    }))
}

/// Makes workflows, schedules and a subscription; the names of what people start.
async fn prepare(process: &Process, random: &mut Random) -> Vec<String> {
    process.workflow(generate::leaf()).await;
    for schedule in ["30 2 * * *", "every 1h"] {
        let config = json!({ "schedule": schedule, "timezone": "Europe/Berlin" });
        let note =
            json!({ "id": "set1", "type": "set", "vars": { "at": "{{ trigger.scheduled_at }}" } });
        process
            .workflow(json!({ "version": 1, "name": schedule, "steps": [note],
                "trigger": { "type": "schedule", "config": config } }))
            .await;
    }
    let new = NewSubscription {
        url: format!("{SUBSCRIBER}/told"),
        events: ["run.completed", "run.failed", "run.cancelled"].map(str::to_owned).to_vec(),
        description: String::new(),
    };
    let policy = process.parts.connections.egress();
    subscriptions::create(&process.parts.store, policy, &process.ctx, new).await.unwrap();
    let names: Vec<String> = (0..=random.below(3)).map(|n| format!("made up {n}")).collect();
    for name in &names {
        process.workflow(generate::definition(random, name)).await;
    }
    names
}

/// The act that is on: one that was not acknowledged is tried again.
fn next(stage: &Mutex<Stage>, names: &[String]) -> Option<Act> {
    let mut stage = stage.lock().unwrap();
    if stage.act.is_none() && stage.acts < ACTS {
        stage.acts += 1;
        let act = stage.choose(names);
        stage.act = Some(act);
    }
    stage.act.clone()
}

impl Stage {
    fn choose(&mut self, names: &[String]) -> Act {
        let runs: Vec<RunId> = self.acknowledged.values().cloned().collect();
        match self.random.below(10) {
            0..=2 => self.start(names),
            3 if !runs.is_empty() => Act::Signal(runs[self.random.below(runs.len())].clone()),
            4 if !runs.is_empty() => Act::Cancel(runs[self.random.below(runs.len())].clone()),
            5 | 6 => Act::Jump(self.random.of(&[60, 1_200, 3_600, -7_200, 86_400])),
            _ => Act::Work,
        }
    }

    fn start(&mut self, names: &[String]) -> Act {
        self.started += 1;
        let workflow = names[self.random.below(names.len())].clone();
        Act::Start { workflow, k: format!("k{}", self.started), n: self.random.below(2) }
    }
}

async fn insist(world: &World, process: &Process, stage: &Mutex<Stage>, act: &Act) {
    for _ in 0..=MOST_FAULTS {
        match attempt(world, process, stage, act).await {
            Ok(()) => return,
            // The run has ended meanwhile, or it was done and the acknowledgement lost.
            Err(error) if error.code == Code::Conflict => return,
            Err(error) => assert!(error.is_transient(), "{act:?}: {error:?}"),
        }
    }
    panic!("{act:?} is never acknowledged");
}

async fn attempt(world: &World, process: &Process, stage: &Mutex<Stage>, act: &Act) -> Result<()> {
    let Process { parts, engine, ctx, .. } = process;
    match act {
        Act::Start { workflow, k, n } => {
            let found = parts.store.read().await?.workflow_by_name(ctx, workflow).await?.unwrap();
            let run = workflows::execute(parts, ctx, &found, json!({ "k": k, "n": n })).await?;
            stage.lock().unwrap().acknowledged.insert(k.clone(), run.id);
        }
        Act::Signal(run) => engine.signal(ctx, run, "go", Value::Null).await?,
        Act::Cancel(run) => engine.cancel(ctx, run).await.map(drop)?,
        Act::Jump(secs) => world.clock.jump_secs(*secs),
        Act::Work => process.work().await,
    }
    Ok(())
}

/// Lets time pass until all that is open has ended.
async fn end(world: &World, process: &Process) {
    for _ in 0..PATIENCE {
        process.work().await;
        let ended = process.runs().await.iter().all(|run| run.status.is_final());
        if ended && !process.is_delivering().await {
            return;
        }
        world.clock.jump_secs(2 * 3_600);
    }
    let open = process.runs().await.into_iter().filter(|run| !run.status.is_final());
    panic!("what never ends: deliveries, or {:?}", open.collect::<Vec<_>>());
}

/// Many plays, each of which must end well; some of them twice, to end in the same.
pub fn play_all(seeds: std::ops::Range<u64>) {
    let (mut faults, mut runs) = (0, 0);
    for seed in seeds.clone() {
        let outcome = play(seed);
        faults += outcome.faults;
        runs += outcome.runs;
        if seed % 10 == 0 {
            assert_eq!(play(seed).hash, outcome.hash, "seed {seed} has two histories");
        }
    }
    println!("seeds {seeds:?}: {runs} runs, {faults} faults");
    let count = usize::try_from(seeds.end - seeds.start).unwrap();
    assert!(
        count < 10 || (faults > count / 2 && runs > 2 * count),
        "nothing happens in these plays"
    );
}
