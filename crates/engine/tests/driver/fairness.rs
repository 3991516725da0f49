//! Whose turn it is: among tenants, among the runs of one, and at the turnstile of a key.

use std::{sync::Arc, time::Duration};

use connectus_core::{
    RunId, TenantId,
    event::{Event, EventType},
    queue::Queues,
    run::{Run, RunStatus},
};
use connectus_engine::{
    Engine,
    workflows::{self, Draft},
};
use connectus_testkit::{TestStore, both};
use serde_json::{Value, json};
use tokio::sync::broadcast::Receiver;

use crate::support::Rig;

impl Rig {
    /// One whose engine has so many places in the queue `workflow`.
    async fn with_places(db: &TestStore, places: usize) -> Self {
        let mut rig = Self::new(db).await;
        let mut limits = Queues::default();
        limits.set_concurrency("workflow", places).unwrap();
        rig.parts.queues = Arc::new(limits);
        rig.engine = Engine::new(rig.parts.clone());
        rig
    }

    /// Makes a workflow of this and starts a run for each input.
    async fn start_all(&self, db: &TestStore, mut definition: Value, inputs: &[Value]) -> Vec<Run> {
        definition["version"] = json!(1);
        let draft = Draft { definition: Some(definition), ..Draft::default() };
        let row = workflows::create(&self.parts, &self.ctx, draft).await.unwrap();
        let mut runs = Vec::new();
        for input in inputs {
            let run = workflows::execute(&self.parts, &self.ctx, &row, input.clone()).await;
            runs.push(run.unwrap());
            db.sim.clock.advance_secs(1);
        }
        runs
    }

    async fn statuses(&self, runs: &[Run]) -> Vec<RunStatus> {
        let mut found = Vec::new();
        for run in runs {
            found.push(self.state(&run.id).await.status);
        }
        found
    }
}

fn note() -> Value {
    json!([{ "id": "note", "type": "set", "vars": { "a": 1 } }])
}

/// The runs that began, in their order.
fn begun(events: &mut Receiver<Event>) -> Vec<(TenantId, RunId)> {
    let mut runs = Vec::new();
    while let Ok(event) = events.try_recv() {
        if event.kind == EventType::RunStarted {
            runs.push((event.tenant, RunId::trusted(event.subject)));
        }
    }
    runs
}

both! {
    async fn a_flood_of_one_tenant_does_not_hold_up_another(db: TestStore) {
        let flood = Rig::with_places(&db, 4).await;
        let calm = Rig::again(&db, db.tenant("Calm").await.unwrap());
        let inputs: Vec<Value> = (0..100).map(|n| json!({ "n": n })).collect();
        flood.start_all(&db, json!({ "name": "flood", "steps": note() }), &inputs).await;
        calm.start_all(&db, json!({ "name": "calm", "steps": note() }), &inputs[..5]).await;
        let mut events = db.store.subscribe();
        flood.settle().await;
        let begun = begun(&mut events);
        assert_eq!(begun.len(), 105);
        let last = begun.iter().rposition(|(tenant, _)| tenant == calm.ctx.tenant()).unwrap();
        assert!(last < 14, "the last of five began as number {last}");
    }

    async fn priority_gives_a_head_start_that_waiting_makes_up_for(db: TestStore) {
        let rig = Rig::with_places(&db, 1).await;
        let start = async |name: &str, priority: i64| {
            let definition = json!({ "name": name, "priority": priority, "steps": note() });
            rig.start_all(&db, definition, &[json!({})]).await.remove(0).id
        };
        let plain = start("plain", 0).await;
        let idle = start("idle", -3).await;
        db.sim.clock.advance_secs(20);
        let late = start("late", 0).await;
        let urgent = start("urgent", 3).await;
        db.sim.clock.advance_secs(20);
        let later = start("later", 0).await;
        let mut events = db.store.subscribe();
        rig.settle().await;
        let order: Vec<RunId> = begun(&mut events).into_iter().map(|(_, run)| run).collect();
        assert_eq!(order, [urgent, plain, late, idle, later], "idle waited thirty seconds longer");
    }

    async fn runs_of_one_key_pass_one_by_one(db: TestStore) {
        let rig = Rig::new(&db).await;
        let definition = json!({
            "name": "one by one",
            "concurrency": { "limit": 1, "key": "{{ trigger.customer }}" },
            "steps": [{ "id": "nap", "type": "wait", "for": "1h" }],
        });
        let inputs = ["a", "a", "b", "a"].map(|customer| json!({ "customer": customer }));
        let runs = rig.start_all(&db, definition, &inputs).await;
        rig.settle().await;
        use RunStatus::{Cancelled, Completed, Queued, Waiting};
        assert_eq!(rig.statuses(&runs).await, [Waiting, Queued, Waiting, Queued]);
        // A new process finds the same.
        rig.engine.drain(Duration::from_secs(5)).await;
        let again = Rig::again(&db, rig.ctx.clone());
        again.settle().await;
        assert_eq!(again.statuses(&runs).await, [Waiting, Queued, Waiting, Queued]);
        again.engine.cancel(&again.ctx, &runs[1].id).await.unwrap();
        again.settle().await;
        assert_eq!(again.statuses(&runs).await, [Waiting, Cancelled, Waiting, Queued]);
        db.sim.clock.advance_secs(3_600);
        again.settle().await;
        assert_eq!(again.statuses(&runs).await, [Completed, Cancelled, Completed, Waiting]);
        db.sim.clock.advance_secs(3_600);
        again.settle().await;
        assert_eq!(again.statuses(&runs).await, [Completed, Cancelled, Completed, Completed]);
    }

    async fn a_limit_without_a_key_counts_all_runs_of_the_workflow(db: TestStore) {
        let rig = Rig::new(&db).await;
        let definition = json!({
            "name": "two at once", "concurrency": { "limit": 2 },
            "steps": [{ "id": "nap", "type": "wait", "for": "1h" }],
        });
        let runs = rig.start_all(&db, definition, &[json!({}), json!({}), json!({}), json!({})]).await;
        for ended in [0, 2, 4] {
            rig.settle().await;
            let statuses = rig.statuses(&runs).await;
            let count = |status| statuses.iter().filter(|one| **one == status).count();
            assert_eq!(count(RunStatus::Completed), ended);
            assert_eq!(count(RunStatus::Waiting), (4 - ended).min(2));
            db.sim.clock.advance_secs(3_600);
        }
    }
}
