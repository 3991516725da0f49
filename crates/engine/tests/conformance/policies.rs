//! Policies of steps that hold others or wait: limits of time, further attempts, undoing as a
//! whole.

use connectus_core::run::RunStatus;
use connectus_sandbox::{Fault, FaultKind};
use serde_json::{Value, json};

use crate::{
    each_driver,
    support::{fakes::post, put},
};

fn with(mut step: Value, more: Value) -> Value {
    if let Value::Object(more) = more {
        step.as_object_mut().unwrap().extend(more);
    }
    step
}

fn block(steps: Value, more: Value) -> Value {
    let mut block = json!({ "id": "block", "type": "branch", "condition": "true" });
    block["then"] = steps;
    with(block, more)
}

/// A post that is tried once.
fn once(id: &str) -> Value {
    with(post(id, "hello"), json!({ "retry": { "attempts": 1 } }))
}

fn ask(id: &str) -> Value {
    json!({ "id": id, "type": "wait", "signal": "never" })
}

fn again(attempts: u32) -> Value {
    json!({ "attempts": attempts, "backoff": "1m", "jitter": 0.0 })
}

each_driver! {
    async fn the_time_of_each_kind_of_step_is_limited_also_over_a_restart(scene: Scene) {
        let mut scene = scene;
        scene.workflow("slow", json!([put("c", "child"), ask("forever")])).await;
        let steps = [
            json!({ "type": "branch", "condition": "true", "then": [ask("a")] }),
            json!({ "type": "switch", "cases": [{ "when": "true", "steps": [ask("a")] }] }),
            json!({ "type": "parallel", "branches": [[ask("a")], [ask("b")]] }),
            json!({ "type": "for_each", "items": [1, 2], "concurrency": 2, "steps": [ask("a")] }),
            json!({ "type": "wait", "for": "9h" }),
            json!({ "type": "wait", "signal": "never" }),
            json!({ "type": "approval", "message": "?", "deadline": "9h",
                "on_deadline": "continue" }),
            json!({ "type": "workflow", "workflow": "slow" }),
        ];
        for (number, step) in steps.into_iter().enumerate() {
            let limited = json!({ "id": "limited", "timeout": "1h",
                "on_error": [{ "id": "note", "type": "set",
                    "vars": { "why": "{{ steps.limited.error.code }}" } }] });
            let kind = format!("{number} {}", step["type"]);
            let workflow = json!({ "version": 1, "name": kind, "output": "{{ vars.why }}",
                "steps": [put("p", "p"), with(step, limited)] });
            let run = scene.start(&scene.define(workflow).await, json!({})).await;
            scene.settle().await;
            scene.restart().await;
            scene.pass(3_599).await;
            assert_eq!(scene.status(&run).await, RunStatus::Waiting, "{kind}");
            scene.pass(1).await;
            assert_eq!(scene.output(&run).await, "timeout", "{kind}");
            assert_eq!(scene.record("child").await, None, "the child was stopped and undone");
        }
    }

    async fn what_a_block_did_is_undone_when_its_time_is_up(scene: Scene) {
        let slow = block(json!([put("p", "p"), ask("a")]), json!({ "timeout": "1h" }));
        let run = scene.run("undone", json!([put("before", "b"), slow])).await;
        scene.pass(3_600).await;
        assert_eq!(scene.failure(&run).await, "timeout");
        assert_eq!(scene.present(&["b", "p"]).await, [""; 0]);
    }

    async fn a_block_that_failed_is_undone_and_done_again_after_a_pause(scene: Scene) {
        let mut scene = scene;
        scene.spoil(FaultKind::Status { status: 500 }, 1);
        let steps = json!([put("p", "p"), once("tell"), put("q", "q")]);
        let run = scene.run("again", json!([block(steps, json!({ "retry": again(3) }))])).await;
        assert_eq!(scene.status(&run).await, RunStatus::Waiting);
        assert_eq!(scene.record("p").await, None, "undone before it is done again");
        scene.restart().await;
        scene.pass(59).await;
        assert_eq!(scene.calls(), 1);
        scene.pass(1).await;
        scene.output(&run).await;
        assert_eq!(scene.present(&["p", "q"]).await, ["p", "q"]);
        let names = ["p", "tell", "p:undo", "block#2.p", "block#2.tell", "block#2.q"];
        assert_eq!(scene.names(&run).await, names);
        assert_eq!(scene.posted(), ["hello"]);
    }

    async fn attempts_at_a_block_come_to_an_end(scene: Scene) {
        let no = json!({ "id": "no", "type": "fail", "message": "on purpose" });
        let each = json!({ "id": "each", "type": "for_each", "items": [1, 2],
            "retry": again(3), "steps": [put("p", "p{{ item }}"), with(no,
                json!({ "when": "item == 2" }))] });
        let run = scene.run("hopeless", json!([put("before", "b"), each])).await;
        for _ in 0..3 {
            scene.pass(120).await;
        }
        assert_eq!(scene.failure(&run).await, "failed");
        assert_eq!(scene.present(&["b", "p1", "p2"]).await, [""; 0]);
        let rows = scene.rows(&run).await;
        let count = |undone: bool| rows.iter().filter(|row| row.compensation == undone).count();
        assert_eq!((count(false), count(true)), (7, 7), "each was undone once");
    }

    async fn a_call_whose_outcome_is_not_known_keeps_its_key(scene: Scene) {
        let lost = Fault::on("POST", "/api/chat.postMessage", FaultKind::Drop).after_effect();
        scene.slack.handle.fault(lost);
        let steps = json!([put("p", "p"), once("tell")]);
        let run = scene.run("in doubt", json!([block(steps, json!({ "retry": again(3) }))])).await;
        scene.pass(60).await;
        scene.pass(120).await;
        scene.output(&run).await;
        assert_eq!(scene.slack.handle.effect_summary().duplicates, 0);
        assert_eq!(scene.posted(), ["hello"], "once, over both attempts at the block");
    }

    async fn a_workflow_is_run_again(scene: Scene) {
        scene.workflow("told", json!([put("c", "child"), once("tell")])).await;
        scene.spoil(FaultKind::Status { status: 500 }, 1);
        let sub = json!({ "id": "sub", "type": "workflow", "workflow": "told",
            "retry": again(2) });
        let run = scene.run("parent", json!([sub])).await;
        assert_eq!((scene.status(&run).await, scene.record("child").await.is_some()),
            (RunStatus::Waiting, false));
        scene.pass(60).await;
        scene.output(&run).await;
        assert!(scene.record("child").await.is_some());
    }

    async fn a_block_as_a_whole_is_undone_after_what_is_inside_it(scene: Scene) {
        let undo = json!({ "compensate": { "action": "collection.upsert", "input": {
            "collection": "digisol_crm/contacts", "key": "gone", "record": { "by": "block" } } } });
        let steps = json!([put("a", "a"), block(json!([put("b", "b"), put("c", "c")]), undo),
            { "id": "no", "type": "fail", "message": "on purpose" }]);
        let run = scene.run("whole", steps).await;
        assert_eq!(scene.failure(&run).await, "failed");
        let undone = ["c:undo", "b:undo", "block:undo", "a:undo"];
        assert_eq!(scene.names(&run).await[3..], undone);
        assert_eq!(scene.present(&["a", "b", "c", "gone"]).await, ["gone"]);
    }

    async fn an_approval_nobody_gives_is_asked_for_again(scene: Scene) {
        let ok = json!({ "id": "ok", "type": "approval", "message": "?", "deadline": "1h",
            "retry": again(2) });
        let run = scene.run("asks", json!([ok, put("p", "p")])).await;
        scene.pass(3_600).await;
        scene.pass(60).await;
        scene.signal(&run, "approval:ok#2", json!({ "approved": true })).await.unwrap();
        scene.settle().await;
        scene.output(&run).await;
        assert!(scene.record("p").await.is_some());
    }
}
