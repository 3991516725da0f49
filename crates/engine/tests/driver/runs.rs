//! Chains, branches, loops, timers, signals, children, cancellation, schedules.

use connectus_core::{
    Code,
    run::{RunStatus, WorkflowStatus},
};
use connectus_engine::workflows::{self, Draft};
use connectus_testkit::both;
use serde_json::json;

use crate::support::{Rig, put};

both! {
    async fn a_completed_run_is_all_done_whatever_it_left_out(db: TestStore) {
        let rig = Rig::new(&db).await;
        let nap = json!({ "id": "nap", "type": "wait", "for": "1h" });
        let mut left_out = put("left_out", "b");
        left_out["when"] = json!("trigger.never");
        let stop = json!({ "id": "stop", "type": "stop", "output": 1, "when": "trigger.early" });
        let steps = json!([put("first", "a"), nap, left_out, stop, put("last", "c")]);
        for early in [true, false] {
            let input = json!({ "never": false, "early": early });
            let run = rig.start(&format!("early {early}"), steps.clone(), input).await;
            rig.settle().await;
            let progress = rig.state(&run.id).await.progress;
            assert_eq!(progress, Some(json!({ "done": 1, "of": 5 })));
            db.sim.clock.advance_secs(3_600);
            rig.settle().await;
            let run = rig.state(&run.id).await;
            assert_eq!(run.status, RunStatus::Completed, "{:?}", run.error);
            assert_eq!(run.progress, Some(json!({ "done": 5, "of": 5 })));
        }
    }

    async fn an_action_that_there_is_not_is_told_with_the_nearest_name(db: TestStore) {
        let rig = Rig::new(&db).await;
        let step = |id: &str, action: &str| json!({ "id": id, "type": "action", "action": action });
        let steps = [step("a", "slack.post_mesage"), step("b", "send_fax"), step("c", "send_fax")];
        let definition = json!({ "version": 1, "name": "Slips", "steps": steps });
        let draft = Draft { definition: Some(definition), ..Draft::default() };
        let error = workflows::create(&rig.parts, &rig.ctx, draft).await.unwrap_err();
        assert_eq!(error.code, Code::Invalid);
        let messages: Vec<&str> =
            error.fields.iter().map(|fault| fault.message.as_str()).collect();
        assert_eq!(messages.len(), 2, "{messages:?}");
        assert!(messages[0].contains("no action `send_fax`"), "{messages:?}");
        assert!(messages[1].ends_with("do you mean `slack.post_message`?"), "{messages:?}");
        let known = error.extra["known_actions"].as_array().unwrap();
        assert!(known.contains(&json!("collection.upsert")));
        let said = format!("{} {messages:?}", error.detail);
        assert!(!said.contains("collection.upsert"), "the names are listed once: {said}");
    }

    async fn counters_move_with_the_end_of_a_run(db: TestStore) {
        let rig = Rig::new(&db).await;
        let good = rig.start("good", json!([put("a", "a")]), json!({})).await;
        let bad = json!([{ "id": "no", "type": "fail", "message": "on purpose" }]);
        let bad = rig.start("bad", bad, json!({})).await;
        rig.settle().await;
        for (run, success) in [(good, 1), (bad, 0)] {
            let id = connectus_core::WorkflowId::trusted(run.subject_id);
            let row = workflows::find(&rig.parts, &rig.ctx, &id).await.unwrap();
            assert_eq!((row.execution_count, row.success_count), (1, success));
        }
    }

    async fn another_tenant_sees_nothing(db: TestStore) {
        let rig = Rig::new(&db).await;
        let run = rig.start("mine", json!([put("a", "a")]), json!({})).await;
        let stranger = db.tenant("Stranger").await.unwrap();
        let error = rig.engine.state(&stranger, &run.id).await.unwrap_err();
        assert_eq!(error.code, Code::NotFound);
        assert!(rig.engine.cancel(&stranger, &run.id).await.is_err());
        assert!(rig.engine.signal(&stranger, &run.id, "x", json!(1)).await.is_err());
    }

    async fn a_schedule_starts_each_slot_once(db: TestStore) {
        let rig = Rig::new(&db).await;
        let definition = json!({
            "version": 1, "name": "clock",
            "trigger": { "type": "schedule", "config": { "schedule": "every 1h" } },
            "steps": [put("tick", "tick")],
        });
        let draft = Draft { definition: Some(definition), ..Draft::default() };
        let row = workflows::create(&rig.parts, &rig.ctx, draft).await.unwrap();
        let executed =
            async || workflows::find(&rig.parts, &rig.ctx, &row.id).await.unwrap().execution_count;
        rig.settle().await;
        assert_eq!(executed().await, 0);
        db.sim.clock.advance_secs(3_600);
        rig.settle().await;
        rig.settle().await;
        assert_eq!(executed().await, 1);
        db.sim.clock.advance_secs(5 * 3_600);
        rig.settle().await;
        assert_eq!(executed().await, 2, "missed slots are made up for by one run");
    }

    async fn a_schedule_that_cannot_be_followed_keeps_nobody_else_from_working(db: TestStore) {
        let rig = Rig::new(&db).await;
        let make = async |name: &str| {
            let definition = json!({
                "version": 1, "name": name,
                "trigger": { "type": "schedule", "config": { "schedule": "every 1h" } },
                "steps": [put("tick", name)],
            });
            let draft = Draft { definition: Some(definition), ..Draft::default() };
            workflows::create(&rig.parts, &rig.ctx, draft).await.unwrap()
        };
        let (mut broken, _good) = (make("broken").await, make("good").await);
        broken.definition_hash = "lost".to_owned();
        let row = broken.clone();
        let write = db.store.write(move |tx| {
            Box::pin(async move { Ok(tx.update_workflow(&row).await?) })
        });
        assert!(write.await.unwrap());
        let other = rig.start("other", json!([put("o", "o")]), json!({})).await;
        db.sim.clock.advance_secs(3_600);
        rig.settle().await;
        assert_eq!(rig.state(&other.id).await.status, RunStatus::Completed);
        assert!(rig.record("good").await.unwrap().is_some());
        let now = workflows::find(&rig.parts, &rig.ctx, &broken.id).await.unwrap();
        assert_eq!((now.status, now.next_due_at), (WorkflowStatus::Error, None));
    }
}
