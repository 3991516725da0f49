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
    async fn a_chain_hands_outputs_on(db: TestStore) {
        let rig = Rig::new(&db).await;
        let steps = json!([
            put("first", "a"),
            { "id": "look", "type": "action", "action": "collection.get",
              "input": {
                  "collection": "digisol_crm/contacts", "key": "{{ steps.first.output.key }}",
              } },
            { "id": "note", "type": "set", "vars": { "who": "{{ steps.look.output.by }}" } },
        ]);
        let run = rig.start("chain", steps, json!({})).await;
        assert_eq!(run.status, RunStatus::Queued);
        rig.settle().await;
        let run = rig.state(&run.id).await;
        assert_eq!(run.status, RunStatus::Completed, "{:?}", run.error);
        assert_eq!(run.output.unwrap()["who"], "first");
        let done = |id: &str| (id.to_owned(), "completed".to_owned());
        assert_eq!(rig.steps(&run.id).await, [done("first"), done("look")]);
        assert_eq!(rig.record("a").await.unwrap().unwrap()["by"], "first");
    }

    async fn branches_and_loops_run_side_by_side(db: TestStore) {
        let rig = Rig::new(&db).await;
        let steps = json!([
            { "id": "both", "type": "parallel",
              "branches": [[put("left", "l")], [put("right", "r")]] },
            { "id": "each", "type": "for_each", "items": "{{ trigger.keys }}", "concurrency": 2,
              "steps": [{ "id": "one", "type": "action", "action": "collection.upsert", "input": {
                  "collection": "digisol_crm/contacts", "key": "{{ item }}",
                  "record": { "n": "{{ index }}" },
              } }] },
            { "id": "which", "type": "branch", "condition": "trigger.keys | length > 2",
              "then": [put("many", "many")], "else": [put("few", "few")] },
        ]);
        let run = rig.start("wide", steps, json!({ "keys": ["x", "y", "z"] })).await;
        rig.settle().await;
        let run = rig.state(&run.id).await;
        assert_eq!(run.status, RunStatus::Completed, "{:?}", run.error);
        for key in ["l", "r", "x", "y", "z", "many"] {
            assert!(rig.record(key).await.unwrap().is_some(), "{key}");
        }
        assert!(rig.record("few").await.unwrap().is_none());
    }

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

    async fn a_timer_outlives_the_process(db: TestStore) {
        let rig = Rig::new(&db).await;
        let nap = json!({ "id": "nap", "type": "wait", "for": "2h" });
        let steps = json!([put("before", "b"), nap, put("after", "a")]);
        let run = rig.start("nap", steps, json!({})).await;
        rig.settle().await;
        assert_eq!(rig.state(&run.id).await.status, RunStatus::Waiting);
        let ctx = rig.ctx.clone();
        drop(rig);
        db.restart().await.unwrap();
        let rig = Rig::again(&db, ctx);
        rig.settle().await;
        assert_eq!(rig.state(&run.id).await.status, RunStatus::Waiting, "not due yet");
        db.sim.clock.advance_secs(2 * 3600);
        rig.settle().await;
        assert_eq!(rig.state(&run.id).await.status, RunStatus::Completed);
        assert!(rig.record("a").await.unwrap().is_some());
        assert_eq!(rig.steps(&run.id).await.len(), 2, "the first step was not repeated");
    }

    async fn a_signal_may_come_before_or_after_the_wait(db: TestStore) {
        let rig = Rig::new(&db).await;
        let wait = json!([{ "id": "ask", "type": "wait", "signal": "answer" }]);
        let early = rig.start("early", wait.clone(), json!({})).await;
        rig.engine.signal(&rig.ctx, &early.id, "answer", json!({ "n": 1 })).await.unwrap();
        let late = rig.start("late", wait, json!({})).await;
        rig.settle().await;
        assert_eq!(rig.state(&early.id).await.output.unwrap()["n"], 1);
        assert_eq!(rig.state(&late.id).await.status, RunStatus::Waiting);
        rig.engine.signal(&rig.ctx, &late.id, "answer", json!({ "n": 2 })).await.unwrap();
        rig.settle().await;
        assert_eq!(rig.state(&late.id).await.output.unwrap()["n"], 2);
        let again = rig.engine.signal(&rig.ctx, &late.id, "answer", json!(3)).await.unwrap_err();
        assert_eq!(again.code, Code::Conflict);
    }

    async fn a_cancelled_run_undoes_what_it_did(db: TestStore) {
        let rig = Rig::new(&db).await;
        let hold = json!({ "id": "hold", "type": "wait", "for": "1d" });
        let steps = json!([put("one", "1"), put("two", "2"), hold]);
        let run = rig.start("undo", steps, json!({})).await;
        rig.settle().await;
        assert!(rig.record("2").await.unwrap().is_some());
        rig.engine.cancel(&rig.ctx, &run.id).await.unwrap();
        rig.settle().await;
        let run = rig.state(&run.id).await;
        assert_eq!(run.status, RunStatus::Cancelled);
        assert!(rig.record("1").await.unwrap().is_none());
        assert!(rig.record("2").await.unwrap().is_none());
        let ids: Vec<String> = rig.steps(&run.id).await.into_iter().map(|step| step.0).collect();
        assert_eq!(ids, ["one", "two", "two:undo", "one:undo"]);
        assert_eq!(rig.engine.cancel(&rig.ctx, &run.id).await.unwrap_err().code, Code::Conflict);
    }

    async fn a_failure_says_which_step_and_what_was_undone(db: TestStore) {
        let rig = Rig::new(&db).await;
        let steps = json!([
            put("good", "g"),
            { "id": "bad", "type": "action", "action": "slack.post_message",
              "input": { "text": "nobody is connected" } },
        ]);
        let run = rig.start("fails", steps, json!({})).await;
        rig.settle().await;
        let run = rig.state(&run.id).await;
        assert_eq!(run.status, RunStatus::Failed);
        let error = run.error.unwrap();
        assert_eq!(error.code, "reauth_required");
        assert!(error.message.contains("slack"), "{}", error.message);
        assert_eq!(run.output.unwrap()["failed_step"], "bad");
        assert!(rig.record("g").await.unwrap().is_none());
    }

    async fn a_child_answers_its_parent(db: TestStore) {
        let rig = Rig::new(&db).await;
        let child =
            json!([{ "id": "say", "type": "stop", "output": { "twice": "{{ trigger.n * 2 }}" } }]);
        let first = rig.start("child", child, json!({ "n": 0 })).await;
        rig.settle().await;
        let steps = json!([
            { "id": "call", "type": "workflow", "workflow": "child", "input": { "n": 21 } },
            { "id": "end", "type": "stop", "output": { "got": "{{ steps.call.output.twice }}" } },
        ]);
        let parent = rig.start("parent", steps, json!({})).await;
        rig.settle().await;
        let parent = rig.state(&parent.id).await;
        assert_eq!(parent.status, RunStatus::Completed, "{:?}", parent.error);
        assert_eq!(parent.output.unwrap()["got"], 42);
        let lost = json!([{ "id": "call", "type": "workflow", "workflow": "nobody", "input": {} }]);
        let lost = rig.start("lost", lost, json!({})).await;
        rig.settle().await;
        assert_eq!(rig.state(&lost.id).await.error.unwrap().code, "not_found");
        assert_eq!(rig.state(&first.id).await.status, RunStatus::Completed);
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
