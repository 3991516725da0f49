//! A run that kills every process that works on it.

use std::sync::Mutex;

use connectus_core::{
    drill::{Moment, Point, Site},
    run::{Run, RunStatus},
};
use connectus_engine::workflows;
use serde_json::{Value, json};

use crate::{
    script::{Fault, Plan, Script},
    steps::{nap, put},
    world::{Process, World},
};

/// Deaths that a run must survive being the cause of, and after which it must be given up.
const DEATHS: std::ops::Range<usize> = 10..20;

async fn start(process: &Process, name: &str, steps: Value) -> Run {
    let definition = json!({ "version": 1, "name": name, "steps": steps });
    let workflow = process.workflow(definition).await;
    workflows::execute(&process.parts, &process.ctx, &workflow, json!({})).await.unwrap()
}

#[test]
fn a_run_that_kills_its_processes_is_given_up_and_harms_no_other() {
    let world = World::new(1, 0);
    let runs = world.live(None, async |process| {
        // They rest by the time the first process dies, and longer than the others do.
        let steps = json!([nap("n", "1h"), { "id": "s", "type": "set", "vars": { "x": 1 } }]);
        let mut others = Vec::new();
        for n in 0..5 {
            others.push(start(&process, &format!("other {n}"), steps.clone()).await);
        }
        process.work().await;
        (start(&process, "poison", json!([put("p", "p")])).await, others)
    });
    let (poison, others) = runs.unwrap();
    let at_work = Point { site: Site::Step, moment: Moment::Before };
    let script = Script::new(Plan::Chance(Box::new(move |point| {
        (point == at_work).then_some(Fault::Crash)
    })));
    let (mut deaths, over) = (0, Mutex::new(false));
    while !*over.lock().unwrap() {
        let lived = world.live(Some(&script), async |process| {
            process.work().await;
            *over.lock().unwrap() = process.state(&poison).await.status.is_final();
        });
        deaths += usize::from(lived.is_none());
        assert!(deaths < DEATHS.end, "it is never given up");
        world.clock.jump_secs(120);
    }
    assert!(DEATHS.contains(&deaths), "{deaths} deaths");
    world.clock.jump_secs(3_600);
    world.live(None, async |process| {
        process.work().await;
        let poison = process.state(&poison).await;
        assert_eq!(poison.status, RunStatus::Failed);
        assert!(poison.error.as_ref().unwrap().message.contains(&format!("{deaths} times")));
        for other in &others {
            let other = process.state(other).await;
            assert_eq!((other.status, other.crashes), (RunStatus::Completed, 0));
        }
        for row in process.rows(&poison).await {
            assert_eq!(row.status, "failed", "{row:?}");
        }
    });
}
