//! Runs that start over.

use connectus_core::run::RunStatus;
use connectus_testkit::both;
use serde_json::{Value, json};

use crate::support::{Rig, put};

/// Steps, then once more until `trigger.n` is `last`.
fn times(last: u32, mut steps: Vec<Value>) -> Value {
    steps.push(json!({ "id": "more", "type": "branch",
        "condition": format!("(trigger.n | default(0)) < {last}"),
        "then": [{ "id": "again", "type": "restart",
            "input": { "n": "{{ (trigger.n | default(0)) + 1 }}" } }] }));
    steps.push(json!({ "id": "end", "type": "stop", "output": "{{ trigger.n }}" }));
    Value::Array(steps)
}

both! {
    async fn a_timer_that_starts_the_run_over_does_not_leave_it_asleep(db: TestStore) {
        let rig = Rig::new(&db).await;
        let nap = json!({ "id": "nap", "type": "wait", "for": "1h" });
        let run = rig.start("hourly", times(3, vec![put("tick", "t"), nap]), json!({})).await;
        for _ in 0..4 {
            rig.settle().await;
            assert_eq!(rig.state(&run.id).await.status, RunStatus::Waiting);
            assert_eq!(rig.steps(&run.id).await.len(), 1, "the steps of the present generation");
            db.sim.clock.advance_secs(3_600);
        }
        rig.settle().await;
        let run = rig.state(&run.id).await;
        assert_eq!(run.status, RunStatus::Completed, "{:?}", run.error);
        assert_eq!(run.output.unwrap(), json!(3).into());
        let mut conn = rig.parts.store.read().await.unwrap();
        let journal = conn.journal(&rig.ctx, &run.id).await.unwrap();
        assert!(journal.len() < 6, "only the last generation is kept: {journal:?}");
        let attempts = conn.step_attempts(&rig.ctx, &run.id).await.unwrap();
        assert_eq!(attempts.iter().map(|one| one.attempt).collect::<Vec<_>>(), [1]);
    }

    async fn a_run_that_only_starts_over_ends(db: TestStore) {
        let rig = Rig::new(&db).await;
        let run = rig.start("spin", times(500, vec![]), json!({})).await;
        rig.settle().await;
        assert_eq!(rig.state(&run.id).await.output.unwrap(), json!(500).into());
    }

    async fn signals_nobody_asked_for_go_on_to_the_next_generation(db: TestStore) {
        let rig = Rig::new(&db).await;
        let ask = json!({ "id": "ask", "type": "wait", "signal": "answer" });
        let run = rig.start("mailbox", times(2, vec![ask, put("seen", "s")]), json!({})).await;
        rig.settle().await;
        for n in 1..=3 {
            rig.engine.signal(&rig.ctx, &run.id, "answer", json!(n)).await.unwrap();
        }
        let ctx = rig.ctx.clone();
        drop(rig);
        db.restart().await.unwrap();
        let rig = Rig::again(&db, ctx);
        rig.settle().await;
        let run = rig.state(&run.id).await;
        assert_eq!(run.status, RunStatus::Completed, "all three were read: {:?}", run.progress);
    }
}
