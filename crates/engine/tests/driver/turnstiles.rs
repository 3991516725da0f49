//! How many runs of a workflow are under way at once.

use std::time::Duration;

use connectus_core::run::{Run, RunStatus};
use connectus_engine::workflows::{self, Draft};
use connectus_testkit::{TestStore, both};
use serde_json::{Value, json};

use crate::support::Rig;

impl Rig {
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

both! {
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
        let inputs = [0, 1, 2, 3].map(|n| json!({ "n": n }));
        let runs = rig.start_all(&db, definition, &inputs).await;
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
