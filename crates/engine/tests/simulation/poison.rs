//! A run that kills every process that works on it: it is set apart, and goes on or ends as a
//! person decides.

use std::sync::Mutex;

use connectus_core::{
    drill::{Moment, Point, Site},
    event::EventType,
    run::{Run, RunStatus},
};
use connectus_engine::workflows;
use serde_json::{Value, json};

use crate::{
    script::{Fault, Plan, Script},
    steps::{nap, put},
    world::{Process, World},
};

/// Deaths that a run must survive being the cause of, and after which it must be set apart.
const DEATHS: std::ops::Range<usize> = 10..20;

async fn start(process: &Process, name: &str, steps: Value) -> Run {
    let definition = json!({ "version": 1, "name": name, "steps": steps });
    let workflow = process.workflow(definition).await;
    workflows::execute(&process.parts, &process.ctx, &workflow, json!({})).await.unwrap()
}

#[test]
fn a_run_that_kills_its_processes_is_set_apart_and_harms_no_other() {
    let world = World::new(1, 0);
    let runs = world.live(None, async |process| {
        // They rest by the time the first process dies, and longer than the others do.
        let steps = json!([nap("n", "1h"), { "id": "s", "type": "set", "vars": { "x": 1 } }]);
        let mut others = Vec::new();
        for n in 0..5 {
            others.push(start(&process, &format!("other {n}"), steps.clone()).await);
        }
        process.work().await;
        (poisoned(&process).await, others)
    });
    let (poison, others) = runs.unwrap();
    let deaths = kill(&world, &poison);
    world.clock.jump_secs(3_600);
    world.live(None, async |process| {
        process.work().await;
        let apart = process.state(&poison).await;
        assert_eq!(apart.status, RunStatus::Quarantined);
        let why = apart.error.as_ref().unwrap();
        assert!(why.message.contains(&format!("{deaths} times")), "{}", why.message);
        assert!(why.message.contains("`p2`"), "{}", why.message);
        for other in &others {
            let other = process.state(other).await;
            assert_eq!((other.status, other.crashes), (RunStatus::Completed, 0));
        }
        assert!(process.engine.retry(&process.ctx, &apart).await.is_err(), "it has not ended");
        // What ailed it was mended.
        process.engine.release(&process.ctx, &apart).await.unwrap();
        assert!(process.engine.release(&process.ctx, &apart).await.is_err(), "once is enough");
        process.work().await;
        assert_eq!(process.state(&poison).await.status, RunStatus::Completed);
        assert_eq!(told(&process, &poison).await, ["run.quarantined", "run.released"]);
    });
}

#[test]
fn a_run_that_was_set_apart_is_cancelled_without_what_killed_it() {
    let world = World::new(2, 0);
    let poison = world.live(None, async |process| poisoned(&process).await).unwrap();
    kill(&world, &poison);
    // It would kill again if it were tried.
    let script =
        Script::new(Plan::Chance(Box::new(|point| (point == AT_WORK).then_some(Fault::Crash))));
    world.live(None, async |process| {
        assert!(process.record("digisol_crm/contacts", "p1").await.is_some(), "it is not undone");
        process.engine.cancel(&process.ctx, &poison.id).await.unwrap();
    });
    // Undoing kills, too: after as many deaths it is not tried again either.
    let (mut deaths, over) = (0, Mutex::new(false));
    while !*over.lock().unwrap() {
        let lived = world.live(Some(&script), async |process| {
            process.work().await;
            *over.lock().unwrap() = process.state(&poison).await.status.is_final();
        });
        deaths += usize::from(lived.is_none());
        assert!(deaths < DEATHS.end, "it never ends");
        world.clock.jump_secs(120);
    }
    assert!(DEATHS.contains(&deaths), "{deaths} deaths");
    world.live(None, async |process| {
        process.work().await;
        let ended = process.state(&poison).await;
        assert_eq!(ended.status, RunStatus::Cancelled, "{:?}", ended.error);
        for row in process.rows(&poison).await {
            let expected = if row.step_id == "p1" { "completed" } else { "failed" };
            assert_eq!(row.status, expected, "{row:?}");
        }
        assert_eq!(process.record("digisol_crm/contacts", "p2").await, None);
    });
}

/// Where the processes die.
const AT_WORK: Point = Point { site: Site::Step, moment: Moment::Before };

/// A run that has done its first step and goes on with the deadly one.
async fn poisoned(process: &Process) -> Run {
    let wait = json!({ "id": "w", "type": "wait", "signal": "go" });
    let run = start(process, "poison", json!([put("p1", "p1"), wait, put("p2", "p2")])).await;
    process.work().await;
    process.engine.signal(&process.ctx, &run.id, "go", json!(1)).await.unwrap();
    run
}

/// Lets every process die that works on a step, until the run is set apart; how many did.
fn kill(world: &World, poison: &Run) -> usize {
    let script =
        Script::new(Plan::Chance(Box::new(|point| (point == AT_WORK).then_some(Fault::Crash))));
    let (mut deaths, apart) = (0, Mutex::new(false));
    while !*apart.lock().unwrap() {
        let lived = world.live(Some(&script), async |process| {
            process.work().await;
            let status = process.state(poison).await.status;
            *apart.lock().unwrap() = status == RunStatus::Quarantined;
        });
        deaths += usize::from(lived.is_none());
        assert!(deaths < DEATHS.end, "it is never set apart");
        world.clock.jump_secs(120);
    }
    assert!(DEATHS.contains(&deaths), "{deaths} deaths");
    deaths
}

/// What was told of a run's quarantine.
async fn told(process: &Process, run: &Run) -> Vec<&'static str> {
    let kinds = [EventType::RunQuarantined, EventType::RunReleased];
    let events = process.events().await;
    let about = events.iter().filter(|event| event.subject == run.id.as_str());
    about.filter(|event| kinds.contains(&event.kind)).map(|event| event.kind.name()).collect()
}
