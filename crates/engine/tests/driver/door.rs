//! Runs that the engine begins on as they come in.

use std::time::Duration;

use connectus_core::{
    RunId,
    event::EventType,
    run::{Run, RunStatus},
};
use connectus_engine::{
    queues,
    workflows::{self, Draft},
};
use connectus_store::workflows::WorkflowRow;
use connectus_testkit::both;
use serde_json::{Value, json};

use crate::support::{Rig, put};

impl Rig {
    async fn made(&self, mut definition: Value) -> WorkflowRow {
        definition["version"] = json!(1);
        let draft = Draft { definition: Some(definition), ..Draft::default() };
        workflows::create(&self.parts, &self.ctx, draft).await.unwrap()
    }

    async fn begun(&self, workflow: &WorkflowRow, input: Value) -> Run {
        workflows::execute(&self.parts, &self.ctx, workflow, input).await.unwrap()
    }

    /// What was told of a run, oldest first.
    async fn told(&self, run: &RunId) -> Vec<EventType> {
        let mut conn = self.parts.store.read().await.unwrap();
        let events = conn.events_after(&self.ctx, 0, 10_000).await.unwrap();
        let about = events.iter().filter(|event| event.subject == run.as_str());
        about.map(|event| event.kind).collect()
    }
}

fn note() -> Value {
    json!([{ "id": "note", "type": "set", "vars": { "a": "{{ trigger.n + 1 }}" } }])
}

both! {
    async fn a_run_that_waits_for_nobody_has_ended_when_it_is_accepted(db: TestStore) {
        let rig = Rig::new(&db).await;
        rig.engine.open().await.unwrap();
        let workflow = rig.made(json!({
            "name": "at once", "steps": note(), "output": { "a": "{{ vars.a }}" },
        }))
        .await;
        let run = rig.begun(&workflow, json!({ "n": 1 })).await;
        assert_eq!(run.status, RunStatus::Completed);
        assert_eq!(run.output, Some(json!({ "a": 2 }).into()));
        let kept = rig.state(&run.id).await;
        assert_eq!(json!(kept), json!(run), "it is kept as it was answered");
        let whole = [
            EventType::RunCreated,
            EventType::RunStarted,
            EventType::RunCompleted,
        ];
        let told = rig.told(&run.id).await;
        let told: Vec<_> =
            told.into_iter().filter(|kind| *kind != EventType::RunStepsFinished).collect();
        assert_eq!(told, whole);
        assert_eq!(rig.engine.busy(), 0, "its place is free again");
        let counted = workflows::find(&rig.parts, &rig.ctx, &workflow.id).await.unwrap();
        assert_eq!((counted.execution_count, counted.success_count), (1, 1));
    }

    async fn one_that_does_something_goes_on_where_it_began(db: TestStore) {
        let rig = Rig::new(&db).await;
        rig.engine.open().await.unwrap();
        let steps = json!([note()[0], put("a", "a"), put("b", "b")]);
        let workflow = rig.made(json!({ "name": "goes on", "steps": steps })).await;
        let run = rig.begun(&workflow, json!({ "n": 1 })).await;
        assert_eq!(run.status, RunStatus::Running);
        assert_eq!(rig.record("a").await.unwrap(), None, "nothing is done before it is durable");
        assert_eq!(rig.engine.busy(), 1);
        rig.settle().await;
        let ended = rig.state(&run.id).await;
        assert_eq!((ended.status, ended.crashes), (RunStatus::Completed, 0));
        assert!(rig.record("b").await.unwrap().is_some());
        assert_eq!(rig.engine.busy(), 0);
    }

    async fn one_that_rests_at_once_is_accepted_resting(db: TestStore) {
        let rig = Rig::new(&db).await;
        rig.engine.open().await.unwrap();
        let nap = json!([{ "id": "nap", "type": "wait", "for": "1h" }, put("a", "a")]);
        let workflow = rig.made(json!({ "name": "nap", "steps": nap })).await;
        let run = rig.begun(&workflow, json!({})).await;
        assert_eq!(run.status, RunStatus::Waiting);
        assert_eq!(rig.engine.busy(), 0);
        rig.settle().await;
        assert_eq!(rig.state(&run.id).await.status, RunStatus::Waiting);
        db.sim.clock.advance_secs(3_601);
        rig.settle().await;
        assert_eq!(rig.state(&run.id).await.status, RunStatus::Completed);
    }

    async fn what_must_wait_is_queued(db: TestStore) {
        let rig = Rig::new(&db).await;
        rig.engine.open().await.unwrap();
        let workflow =
            rig.made(json!({ "name": "held", "queue": "export", "steps": note() })).await;
        let keyed = rig.made(json!({
            "name": "by turns", "steps": note(), "concurrency": { "limit": 1 },
        }))
        .await;
        queues::pause(&rig.parts, &rig.ctx, "export", true).await.unwrap();
        let held = rig.begun(&workflow, json!({ "n": 1 })).await;
        assert_eq!(held.status, RunStatus::Queued, "its queue is paused");
        assert_eq!(rig.engine.busy(), 0);
        let one = rig.begun(&keyed, json!({ "n": 1 })).await;
        assert_eq!(one.status, RunStatus::Queued, "it must pass the others of its kind");
        queues::pause(&rig.parts, &rig.ctx, "export", false).await.unwrap();
        rig.settle().await;
        for run in [&held, &one] {
            assert_eq!(rig.state(&run.id).await.status, RunStatus::Completed);
        }
    }

    async fn a_dedupe_key_is_taken_once_by_those_that_come_at_once(db: TestStore) {
        let rig = Rig::new(&db).await;
        rig.engine.open().await.unwrap();
        let workflow = rig.made(json!({
            "name": "once", "steps": note(),
            "trigger": { "type": "manual", "config": { "dedupe": "{{ trigger.k }}" } },
        }))
        .await;
        let input = || json!({ "k": "same", "n": 1 });
        let (one, two, three) = tokio::join!(
            rig.begun(&workflow, input()),
            rig.begun(&workflow, input()),
            rig.begun(&workflow, input()),
        );
        assert_eq!((&one.id, &one.status), (&two.id, &RunStatus::Completed));
        assert_eq!(two.id, three.id);
        let counted = workflows::find(&rig.parts, &rig.ctx, &workflow.id).await.unwrap();
        assert_eq!(counted.execution_count, 1);
        assert_eq!(rig.engine.busy(), 0);
    }

    async fn an_engine_that_ends_leaves_what_it_began_to_the_next(db: TestStore) {
        let rig = Rig::new(&db).await;
        rig.engine.open().await.unwrap();
        let workflow = rig.made(json!({ "name": "left", "steps": [put("a", "a")] })).await;
        let run = rig.begun(&workflow, json!({})).await;
        assert_eq!(run.status, RunStatus::Running);
        rig.engine.drain(Duration::from_secs(5)).await;
        assert_eq!(rig.state(&run.id).await.status, RunStatus::Queued);
        let late = rig.begun(&workflow, json!({})).await;
        assert_eq!(late.status, RunStatus::Queued, "nobody begins on what comes in now");
        let next = Rig::again(&db, rig.ctx.clone());
        next.settle().await;
        for run in [&run, &late] {
            let ended = next.state(&run.id).await;
            assert_eq!((ended.status, ended.crashes), (RunStatus::Completed, 0));
        }
    }
}
