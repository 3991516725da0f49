//! Every step of every template, and of definitions that use every kind of step: a step whose
//! process dies after it was done is done once; a step that fails unwinds all before it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

use connectus_core::{
    drill::{Moment, Point, Site},
    event::EventType,
    run::{Run, RunStatus},
    workflow::{Entry, Event, Kind},
};
use connectus_engine::{driver::Decision, workflows};
use connectus_store::steps::StepRow;
use serde_json::json;

use crate::{
    cases::{Case, cases},
    script::{Fault, Plan, Script},
    steps::{nap, post, put},
    world::{Process, World},
};

/// Processes after which a run must have ended.
const LIVES: usize = 6;
/// Days after which one must have, if nobody's process dies.
const DAYS: usize = 20;

/// How a run ended, and all that it left behind.
#[derive(Debug, PartialEq)]
struct Ended {
    status: RunStatus,
    messages: Vec<String>,
    effects: Vec<(String, u64)>,
    received: BTreeSet<String>,
    contacts: usize,
    /// Changes of records and notifications that were told of.
    told: usize,
    steps: Vec<(String, String)>,
}

impl Case {
    /// Runs it under a plan until it has ended.
    fn run(&self, plan: Plan) -> (Ended, Vec<String>, BTreeMap<Point, usize>) {
        let (world, script) = (World::new(3, 0), Script::new(plan));
        let run = world.live(None, async |process| self.start(&process).await).unwrap();
        let asked = Mutex::new(false);
        let mut ended = false;
        for _ in 0..LIVES {
            let life = world.live(Some(&script), async |process| {
                for _ in 0..DAYS {
                    process.work().await;
                    if process.state(&run).await.status.is_final() {
                        return;
                    }
                    self.answer(&process, &run, &asked).await;
                    world.clock.jump_secs(86_400);
                }
                panic!("{}: it does not end", self.name);
            });
            ended = life.is_some();
            if ended {
                break;
            }
        }
        assert!(ended, "{}: its processes die for ever", self.name);
        let (ended, left) = world
            .live(None, async |process| {
                let ended = self.ended(&world, &process, &run).await;
                (ended, self.left_behind(&process, &run).await)
            })
            .unwrap();
        (ended, left, script.passed())
    }

    async fn start(&self, process: &Process) -> Run {
        let child = json!({ "version": 1, "name": "child",
            "steps": [put("i", "inner"), post("say", "from the child")] });
        process.workflow(child).await;
        let workflow = process.workflow(self.definition.clone()).await;
        workflows::execute(&process.parts, &process.ctx, &workflow, self.input.clone())
            .await
            .unwrap()
    }

    /// Answers what the run asks: once with the signal, and with a yes.
    async fn answer(&self, process: &Process, run: &Run, asked: &Mutex<bool>) {
        if !std::mem::replace(&mut *asked.lock().unwrap(), true) {
            process.engine.signal(&process.ctx, &run.id, "go", json!(1)).await.unwrap();
        }
        let yes = Decision {
            step: if self.name == "waits" { "may" } else { "approval" }.to_owned(),
            approved: true,
            comment: String::new(),
        };
        // A run that asks nothing now says so.
        let _ = process.engine.decide(&process.ctx, process.state(run).await, yes).await;
    }

    async fn ended(&self, world: &World, process: &Process, run: &Run) -> Ended {
        let effects = world.handle().effects().into_iter();
        let mut steps: Vec<_> =
            process.rows(run).await.into_iter().map(|row| (row.step_id, row.status)).collect();
        steps.sort();
        let kinds = [EventType::RecordsChanged, EventType::WorkflowNotified];
        let told = process.events().await.into_iter().filter(|event| kinds.contains(&event.kind));
        Ended {
            told: told.count(),
            status: process.state(run).await.status,
            messages: world.messages(),
            // Without the runs, whose ids are drawn at random.
            effects: effects.map(|(_, key, count)| (of_step(&key), count.effects)).collect(),
            received: world.received().iter().map(|key| of_step(key)).collect(),
            contacts: world.handle().count(connectus_sandbox::ObjectType::Contacts),
            steps,
        }
    }

    /// Ids of steps that say how to undo them.
    fn compensated(&self) -> BTreeSet<String> {
        let definition = connectus_core::workflow::Definition::read(&self.definition).unwrap();
        let steps = definition.walk().into_iter();
        steps
            .filter(|step| matches!(step.kind, Kind::Action(_)) && step.compensate.is_some())
            .map(|step| step.id.clone())
            .collect()
    }

    /// What a run that failed should have undone and did not, and what it undid in another order.
    async fn left_behind(&self, process: &Process, run: &Run) -> Vec<String> {
        let state = process.state(run).await;
        if state.status == RunStatus::Completed {
            let rows = process.rows(run).await;
            // Attempts that failed are undone before the next one.
            let repeated = rows.iter().any(|row| row.step_id.contains('#'));
            let undone = rows.iter().filter(|row| row.compensation && !repeated);
            return undone.map(|row| format!("{} although it completed", row.step_id)).collect();
        }
        let compensated = self.compensated();
        let rows: BTreeMap<String, StepRow> =
            process.rows(run).await.into_iter().map(|row| (row.step_id.clone(), row)).collect();
        let mut conn = process.parts.store.read().await.unwrap();
        let journal = conn.journal(&process.ctx, &run.id).await.unwrap();
        drop(conn);
        let done = journal.iter().filter_map(|line| match Entry::shown(line).unwrap().event {
            Event::Done { id, .. } => Some(id),
            _ => None,
        });
        let own = |id: &String| compensated.contains(id.rsplit('.').next().unwrap());
        let repeated = rows.keys().any(|id| id.contains('#'));
        let done: Vec<String> = done.filter(own).collect();
        let (mut left, mut last) = (Vec::new(), i64::MAX);
        for id in done {
            match rows.get(&format!("{id}:undo")) {
                Some(undo) if undo.status == "completed" && (repeated || undo.position < last) => {
                    last = undo.position;
                }
                other => left.push(format!("{id}: {other:?}")),
            }
            let input = rows[&id].input.here().unwrap();
            let place = |member: &str| input[member].as_str().unwrap().to_owned();
            if process.record(&place("collection"), &place("key")).await.is_some() {
                left.push(format!("the record of {id}"));
            }
        }
        left
    }
}

/// The step of a key.
fn of_step(key: &str) -> String {
    key.splitn(3, '/').last().unwrap_or_default().to_owned()
}

fn after(site: Site) -> Point {
    Point { site, moment: Moment::After }
}

fn before(site: Site) -> Point {
    Point { site, moment: Moment::Before }
}

#[test]
fn a_step_whose_process_dies_once_it_is_done_is_done_once() {
    let mut drills = 0;
    for case in cases() {
        let (clean, left, passed) = case.run(Plan::Never);
        assert_eq!(left, [""; 0], "{}", case.name);
        assert!(clean.effects.iter().all(|(_, count)| *count <= 1), "{}: {clean:?}", case.name);
        for point in [after(Site::Step), after(Site::Call), before(Site::Turn)] {
            for nth in 1..=passed.get(&point).copied().unwrap_or_default() {
                drills += 1;
                let (ended, left, _) = case.run(Plan::Once(point, nth, Fault::Crash));
                let at = format!("{}: a crash at {point}, passage {nth}", case.name);
                assert_eq!(ended, clean, "{at}");
                assert_eq!(left, [""; 0], "{at}");
            }
        }
    }
    assert!(drills > 150, "only {drills} drills");
}

#[test]
fn a_step_that_fails_unwinds_all_before_it() {
    let (mut drills, mut unwound) = (0, 0);
    for case in cases() {
        let (_, _, passed) = case.run(Plan::Never);
        let point = before(Site::Step);
        for nth in 1..=passed.get(&point).copied().unwrap_or_default() {
            let (ended, left, _) = case.run(Plan::Once(point, nth, Fault::Refusal));
            let at = format!("{}: a failure of step {nth}", case.name);
            assert!(ended.status.is_final(), "{at}: {:?}", ended.status);
            assert!(ended.effects.iter().all(|(_, count)| *count <= 1), "{at}: {ended:?}");
            drills += 1;
            // In a run that fails anyway, the step that was struck may be an undoing itself.
            if case.name != "fails" {
                unwound += usize::from(ended.status == RunStatus::Failed);
                assert_eq!(left, [""; 0], "{at}");
            }
        }
    }
    assert!(drills > 60 && unwound > 40, "{drills} drills, {unwound} unwound");
}

/// The record is there, the step was told that it is not, and the run is stopped while it waits for
/// the next attempt: the record must go, too.
#[test]
fn a_write_whose_answer_was_lost_is_undone_when_its_run_is_stopped() {
    let steps = json!([put("a", "a"), nap("n", "1d")]);
    let definition = json!({ "version": 1, "name": "lost", "steps": steps });
    let case = Case { name: "lost".to_owned(), definition, input: json!({}) };
    let world = World::new(3, 0);
    let run = world.live(None, async |process| case.start(&process).await).unwrap();
    let script = Script::new(Plan::Once(after(Site::Commit), 1, Fault::Error));
    world.live(Some(&script), async |process| {
        process.work().await;
        assert_eq!(process.state(&run).await.status, RunStatus::Waiting);
        assert_eq!(process.rows(&run).await[0].status, "retrying");
        assert!(process.record("digisol_crm/contacts", "a").await.is_some());
    });
    assert_eq!(script.struck().len(), 1);
    world.live(None, async |process| {
        process.engine.cancel(&process.ctx, &run.id).await.unwrap();
        process.work().await;
        assert_eq!(process.state(&run).await.status, RunStatus::Cancelled);
        assert_eq!(process.record("digisol_crm/contacts", "a").await, None);
        assert_eq!(case.left_behind(&process, &run).await, [""; 0]);
    });
}
