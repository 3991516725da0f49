//! Events and the ends of other workflows' runs.

use connectus_core::run::{RunStatus, WorkflowStatus};
use connectus_engine::workflows;
use connectus_testkit::both;
use serde_json::json;

use super::{nothing, runs, set_status, workflow};
use crate::support::{Rig, put};

both! {
    async fn an_event_starts_a_run_once(db: TestStore) {
        let rig = Rig::new(&db).await;
        let on = json!({ "type": "event", "config": { "event": "run.failed" } });
        let alarm = workflow(&rig, "alarm", on, nothing()).await;
        let bad = json!([{ "id": "no", "type": "fail", "message": "on purpose" }]);
        let failed = rig.start("bad", bad, json!({})).await;
        rig.start("good", nothing(), json!({})).await;
        rig.settle().await;
        rig.settle().await;
        let started = runs(&rig, &alarm).await;
        assert_eq!(started.len(), 1);
        let input = started[0].input.here().unwrap();
        assert_eq!((&input["event"], &input["subject"]), (&json!("run.failed"), &json!(failed.id)));
        assert_eq!(input["data"]["error"]["message"], "on purpose");
        let how = (started[0].trigger.as_str(), started[0].status);
        assert_eq!(how, ("event", RunStatus::Completed));
    }

    async fn what_happens_before_or_during_a_pause_starts_nothing(db: TestStore) {
        let rig = Rig::new(&db).await;
        rig.start("early", nothing(), json!({})).await;
        rig.settle().await;
        let on = json!({ "type": "event", "config": { "event": ["run.completed"] } });
        let watcher = workflow(&rig, "watcher", on, nothing()).await;
        rig.settle().await;
        assert!(runs(&rig, &watcher).await.is_empty());
        set_status(&rig, &watcher, "paused").await;
        rig.start("paused", nothing(), json!({})).await;
        rig.settle().await;
        set_status(&rig, &watcher, "active").await;
        rig.settle().await;
        assert!(runs(&rig, &watcher).await.is_empty());
        rig.start("late", nothing(), json!({})).await;
        rig.settle().await;
        assert_eq!(runs(&rig, &watcher).await.len(), 1);
    }

    async fn the_end_of_a_workflow_starts_another(db: TestStore) {
        let rig = Rig::new(&db).await;
        let output = json!([{ "id": "end", "type": "stop", "output": { "n": "{{ trigger.n }}" } }]);
        let first = workflow(&rig, "first", json!({ "type": "manual" }), output).await;
        let on = json!({ "type": "workflow", "config": { "workflow": "first" } });
        let second = workflow(&rig, "second", on, nothing()).await;
        let on = json!({
            "type": "workflow",
            "config": { "workflow": first.id, "on": ["failed", "cancelled"] },
        });
        let sweeper = workflow(&rig, "sweeper", on, nothing()).await;
        let input = json!({ "n": 7 });
        let run = workflows::execute(&rig.parts, &rig.ctx, &first, input).await.unwrap();
        rig.start("other", nothing(), json!({})).await;
        rig.settle().await;
        let started = runs(&rig, &second).await;
        assert_eq!(started.len(), 1);
        let input = started[0].input.here().unwrap();
        assert_eq!((&input["run_id"], &input["status"]), (&json!(run.id), &json!("completed")));
        assert_eq!((&input["output"]["n"], &input["input"]["n"]), (&json!(7), &json!(7)));
        assert!(runs(&rig, &sweeper).await.is_empty());
    }

    async fn workflows_that_start_each_other_come_to_an_end(db: TestStore) {
        let rig = Rig::new(&db).await;
        let after = |name: &str| json!({ "type": "workflow", "config": { "workflow": name } });
        let ping = workflow(&rig, "ping", after("pong"), nothing()).await;
        let pong = workflow(&rig, "pong", after("ping"), nothing()).await;
        let every = json!({ "type": "event", "config": { "event": "*" } });
        let nosy = workflow(&rig, "nosy", every, nothing()).await;
        workflows::execute(&rig.parts, &rig.ctx, &ping, json!({})).await.unwrap();
        rig.settle().await;
        assert_eq!((runs(&rig, &ping).await.len(), runs(&rig, &pong).await.len()), (1, 1));
        // One for each event of the two runs, none for those of its own runs.
        let about: Vec<String> = runs(&rig, &nosy)
            .await
            .iter()
            .map(|run| run.input.here().unwrap()["subject"].as_str().unwrap().to_owned())
            .collect();
        let own = runs(&rig, &nosy).await;
        assert!(!about.is_empty() && about.len() < 20, "{about:?}");
        assert!(own.iter().all(|run| !about.contains(&run.id.to_string())), "{about:?}");
    }

    async fn a_workflow_does_not_hear_of_what_it_wrote_itself(db: TestStore) {
        let rig = Rig::new(&db).await;
        let on = json!({ "type": "event", "config": { "event": "collection.records.changed" } });
        let echo = workflow(&rig, "echo", on, json!([{
            "id": "write", "type": "action", "action": "collection.upsert",
            "input": {
                "collection": "log", "key": "{{ trigger.event_id }}", "record": { "seen": 1 },
            },
        }])).await;
        rig.start("writer", json!([put("one", "1"), put("two", "2")]), json!({})).await;
        rig.settle().await;
        assert_eq!(runs(&rig, &echo).await.len(), 2);
    }

    async fn a_named_run_is_started_once_whatever_starts_it(db: TestStore) {
        let rig = Rig::new(&db).await;
        let config = json!({ "event": "run.failed", "dedupe": "{{ trigger.data.error.code }}" });
        let on = json!({ "type": "event", "config": config });
        let alarm = workflow(&rig, "alarm", on, nothing()).await;
        for name in ["a", "b"] {
            let fail = json!([{ "id": "x", "type": "fail", "message": "no", "code": "same" }]);
            rig.start(name, fail, json!({})).await;
        }
        rig.settle().await;
        assert_eq!(runs(&rig, &alarm).await.len(), 1);
        let config = json!({ "dedupe": "{{ trigger.order }}" });
        let on = json!({ "type": "manual", "config": config });
        let order = workflow(&rig, "order", on, nothing()).await;
        let run = async |input| workflows::execute(&rig.parts, &rig.ctx, &order, input).await;
        let first = run(json!({ "order": 1 })).await.unwrap();
        assert_eq!(run(json!({ "order": 1, "again": true })).await.unwrap().id, first.id);
        assert_ne!(run(json!({ "order": 2 })).await.unwrap().id, first.id);
        assert!(run(json!({})).await.is_err(), "a run that cannot be named is refused");
    }

    async fn more_than_enough_events_wait_in_the_log(db: TestStore) {
        let rig = Rig::new(&db).await;
        let on = json!({ "type": "event", "config": { "event": "tenant.updated" } });
        let watcher = workflow(&rig, "watcher", on, nothing()).await;
        let ctx = rig.ctx.clone();
        let emitted = db.store.write(move |tx| {
            Box::pin(async move {
                for n in 0..700 {
                    let kind = connectus_core::event::EventType::TenantUpdated;
                    tx.emit(&ctx, kind, format!("subject_{n}"), json!({})).await?;
                }
                Ok(())
            })
        });
        emitted.await.unwrap();
        rig.settle().await;
        let count = async || {
            let row = workflows::find(&rig.parts, &rig.ctx, &watcher.id).await.unwrap();
            assert_eq!(row.status, WorkflowStatus::Active);
            row.execution_count
        };
        assert_eq!(count().await, 600);
        db.sim.clock.advance_secs(61);
        rig.settle().await;
        assert_eq!(count().await, 700);
    }
}
