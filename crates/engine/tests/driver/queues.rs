//! Queues: pauses and limits are kept by whoever takes runs.

use std::sync::Arc;

use connectus_core::{
    queue::Queues,
    run::{Run, RunStatus},
};
use connectus_engine::{
    Engine,
    driver::Duties,
    queues::{self, Depth},
    workflows::{self, Draft},
};
use connectus_sandbox::{Fault, FaultKind};
use connectus_testkit::both;
use serde_json::{Value, json};

use crate::support::{Rig, fakes, until};

impl Rig {
    /// Starts a run of a workflow that names a queue.
    async fn start_in(&self, queue: &str, name: &str, steps: Value) -> Run {
        let definition = json!({ "version": 1, "name": name, "queue": queue, "steps": steps });
        let draft = Draft { definition: Some(definition), ..Draft::default() };
        let row = workflows::create(&self.parts, &self.ctx, draft).await.unwrap();
        workflows::execute(&self.parts, &self.ctx, &row, json!({})).await.unwrap()
    }

    async fn status(&self, run: &Run) -> RunStatus {
        self.state(&run.id).await.status
    }

    async fn pause(&self, queue: &str, paused: bool) {
        queues::pause(&self.parts, &self.ctx, queue, paused).await.unwrap();
    }
}

fn note() -> Value {
    json!([{ "id": "note", "type": "set", "vars": { "a": 1 } }])
}

both! {
    async fn a_paused_queue_holds_back_one_tenant_and_one_queue(db: TestStore) {
        let rig = Rig::new(&db).await;
        let other = Rig::again(&db, db.tenant("Other").await.unwrap());
        let nap = json!([{ "id": "nap", "type": "wait", "for": "1h" }]);
        let resting = rig.start_in("export", "nap", nap).await;
        rig.settle().await;
        rig.pause("export", true).await;
        let held = rig.start_in("export", "held", note()).await;
        let elsewhere = rig.start_in("generation", "elsewhere", note()).await;
        let theirs = other.start_in("export", "theirs", note()).await;
        assert_eq!((held.queue.as_str(), elsewhere.queue.as_str()), ("export", "generation"));
        db.sim.clock.advance_secs(7_200);
        rig.settle().await;
        assert_eq!(rig.status(&held).await, RunStatus::Queued, "it does not begin");
        assert_eq!(rig.status(&resting).await, RunStatus::Queued, "nor does one go on");
        assert_eq!(rig.status(&elsewhere).await, RunStatus::Completed);
        assert_eq!(other.status(&theirs).await, RunStatus::Completed);
        let state = queues::one(&rig.parts, &rig.ctx, "export").await.unwrap();
        assert!(state.pause.is_some() && !state.is_stopped);
        assert_eq!((state.depth.ready, state.depth.busy), (2, 0));
        let nap = json!([{ "id": "nap", "type": "wait", "for": "1d" }]);
        let unwanted = rig.start_in("export", "unwanted", nap).await;
        rig.engine.cancel(&rig.ctx, &unwanted.id).await.unwrap();
        rig.settle().await;
        assert_eq!(rig.status(&unwanted).await, RunStatus::Cancelled, "to stop is no work");
        rig.pause("export", true).await;
        rig.pause("export", false).await;
        rig.settle().await;
        for run in [&held, &resting] {
            assert_eq!(rig.status(run).await, RunStatus::Completed);
        }
        let state = queues::one(&rig.parts, &rig.ctx, "export").await.unwrap();
        assert_eq!((state.pause, state.depth), (None, Depth::default()));
        let mut conn = rig.parts.store.read().await.unwrap();
        let filter = connectus_store::audit::AuditFilter {
            target: "export".into(), ..Default::default()
        };
        let acts = conn.audit_page(&rig.ctx, &filter, Default::default()).await.unwrap();
        let acts: Vec<_> = acts.items.iter().map(|row| row.record.action.clone()).collect();
        assert_eq!(acts, ["queue.resumed", "queue.paused"], "a pause of a paused queue is none");
    }

    async fn a_stopped_queue_holds_back_everyone(db: TestStore) {
        let rig = Rig::new(&db).await;
        let other = Rig::again(&db, db.tenant("Other").await.unwrap());
        let both = || vec![rig.ctx.clone(), other.ctx.clone()];
        queues::stop(&rig.parts, both(), "workflow", true).await.unwrap();
        let nap = json!([{ "id": "nap", "type": "wait", "for": "1d" }]);
        let unwanted = rig.start("unwanted", nap, json!({})).await;
        rig.engine.cancel(&rig.ctx, &unwanted.id).await.unwrap();
        let ours = rig.start("ours", note(), json!({})).await;
        let theirs = other.start("theirs", note(), json!({})).await;
        rig.settle().await;
        assert_eq!(rig.status(&unwanted).await, RunStatus::Cancelled);
        assert_eq!(rig.status(&ours).await, RunStatus::Queued);
        assert_eq!(other.status(&theirs).await, RunStatus::Queued);
        assert!(queues::one(&rig.parts, &other.ctx, "workflow").await.unwrap().is_stopped);
        other.pause("workflow", true).await;
        queues::stop(&rig.parts, both(), "workflow", false).await.unwrap();
        rig.settle().await;
        assert_eq!(rig.status(&ours).await, RunStatus::Completed);
        assert_eq!(other.status(&theirs).await, RunStatus::Queued, "their own pause counts on");
        assert!(queues::stop(&rig.parts, both(), "slow", true).await.is_err());
    }

    async fn a_queue_works_on_so_many_at_once(db: TestStore) {
        let ctx = db.tenant("Digi Sol").await.unwrap();
        let fake = fakes::start(&db).await;
        let mut rig = Rig::reaching(&db, ctx, &[&fakes::address(&fake)]);
        fakes::connect(&rig.parts, &rig.ctx, &fake).await;
        let mut limits = Queues::default();
        limits.set_concurrency("quality", 2).unwrap();
        rig.parts.queues = Arc::new(limits);
        rig.engine = Engine::new(rig.parts.clone());
        let late = Fault::on("POST", "/api/chat.postMessage", FaultKind::Delay { millis: 400 });
        fake.handle.fault(late.times(2));
        let mut runs = Vec::new();
        for n in 0..5 {
            let post = json!([fakes::post("say", &format!("hello {n}"))]);
            runs.push(rig.start_in("quality", &format!("post {n}"), post).await);
        }
        rig.engine.start().await.unwrap();
        until("two are taken", async || rig.engine.busy() == 2).await;
        let state = queues::one(&rig.parts, &rig.ctx, "quality").await.unwrap();
        assert_eq!((state.queue.concurrency, state.depth.busy, state.depth.ready), (2, 2, 3));
        until("all get their turn", async || {
            assert!(rig.engine.busy() <= 2);
            let mut ended = 0;
            for run in &runs {
                ended += u32::from(rig.status(run).await == RunStatus::Completed);
            }
            ended == 5
        }).await;
        let state = queues::one(&rig.parts, &rig.ctx, "quality").await.unwrap();
        let lately = state.lately.unwrap();
        assert_eq!((lately.accepted, lately.completed, lately.failed), (5, 5, 0));
        rig.engine.drain(std::time::Duration::from_secs(5)).await;
    }

    async fn an_attempt_takes_no_longer_than_its_queue_allows(db: TestStore) {
        let ctx = db.tenant("Digi Sol").await.unwrap();
        let fake = fakes::start(&db).await;
        let mut rig = Rig::reaching(&db, ctx, &[&fakes::address(&fake)]);
        fakes::connect(&rig.parts, &rig.ctx, &fake).await;
        let mut limits = Queues::default();
        limits.set_timeout("generation", 1).unwrap();
        rig.parts.queues = Arc::new(limits);
        rig.engine = Engine::new(rig.parts.clone());
        let late = Fault::on("POST", "/api/chat.postMessage", FaultKind::Delay { millis: 60_000 });
        fake.handle.fault(late);
        let mut post = fakes::post("say", "hello");
        (post["retry"], post["timeout"]) = (json!({ "attempts": 1 }), json!("1h"));
        let run = rig.start_in("generation", "slow", json!([post])).await;
        rig.settle().await;
        let run = rig.state(&run.id).await;
        assert_eq!(run.status, RunStatus::Failed);
        assert!(run.error.unwrap().message.contains("within 1 seconds"));
    }

    async fn a_process_may_only_look_at_the_clock_or_only_work(db: TestStore) {
        let rig = Rig::new(&db).await;
        let definition = json!({
            "version": 1, "name": "hourly",
            "trigger": { "type": "schedule", "config": { "schedule": "hourly" } },
            "steps": note(),
        });
        let draft = Draft { definition: Some(definition), ..Draft::default() };
        workflows::create(&rig.parts, &rig.ctx, draft).await.unwrap();
        db.sim.clock.advance_secs(3_600);
        let worker =
            Engine::with(rig.parts.clone(), Duties { works: true, schedules: false });
        worker.run_until_idle().await.unwrap();
        let runs = async || {
            let mut conn = rig.parts.store.read().await.unwrap();
            conn.runs(&rig.ctx, &Default::default(), Default::default()).await.unwrap()
        };
        assert_eq!(runs().await.total_count, 0);
        let clock = Engine::with(rig.parts.clone(), Duties { works: false, schedules: true });
        clock.start().await.unwrap();
        until("the slot starts a run", async || runs().await.total_count == 1).await;
        assert_eq!(runs().await.items[0].status, RunStatus::Queued, "it does not work on it");
        clock.drain(std::time::Duration::from_secs(5)).await;
        worker.run_until_idle().await.unwrap();
        assert_eq!(runs().await.items[0].status, RunStatus::Completed);
    }
}
