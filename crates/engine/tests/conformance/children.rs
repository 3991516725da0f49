//! Workflows that run others.

use connectus_core::run::RunStatus;
use serde_json::{Value, json};

use crate::{each_driver, support::put};

fn call(id: &str, workflow: &str, input: &Value) -> Value {
    json!({ "id": id, "type": "workflow", "workflow": workflow, "input": input })
}

each_driver! {
    async fn a_child_answers_its_parent(scene: Scene) {
        let twice = json!([{ "id": "say", "type": "stop",
            "output": { "twice": "{{ trigger.n * 2 }}" } }]);
        scene.workflow("child", twice).await;
        let run = scene.run("parent", json!([
            call("call", "child", &json!({ "n": 21 })),
            { "id": "end", "type": "stop", "output": { "got": "{{ steps.call.output.twice }}" } },
        ])).await;
        assert_eq!(scene.output(&run).await["got"], 42);
    }

    async fn children_side_by_side_answer_each_their_own_step(scene: Scene) {
        let mut scene = scene;
        let nap = json!([{ "id": "nap", "type": "wait", "until": "{{ trigger.at }}" },
            { "id": "say", "type": "stop", "output": "{{ trigger.n }}" }]);
        scene.workflow("child", nap).await;
        let at = |secs: i64| scene.db.sim.env.now().plus_secs(secs).to_string();
        let (late, soon) = (at(120), at(60));
        let run = scene.run("parent", json!([{ "id": "fork", "type": "parallel", "branches": [
            [call("a", "child", &json!({ "n": 2, "at": late }))],
            [call("b", "child", &json!({ "n": 1, "at": soon }))],
        ] }])).await;
        scene.pass(60).await;
        assert_eq!(scene.status(&run).await, RunStatus::Waiting);
        scene.restart().await;
        scene.pass(60).await;
        assert_eq!(scene.output(&run).await, json!([2, 1]));
    }

    async fn a_child_that_fails_fails_the_step_that_called_it(scene: Scene) {
        let no = json!([put("i", "i"), { "id": "no", "type": "fail", "message": "no",
            "code": "no_way" }]);
        scene.workflow("child", no).await;
        let run = scene.run("parent", json!([
            put("o", "o"), call("call", "child", &json!({})),
        ])).await;
        assert_eq!(scene.failure(&run).await, "no_way");
        assert_eq!(scene.present(&["i", "o"]).await, [""; 0]);
        let lost = scene.run("lost", json!([call("call", "nobody", &json!({}))])).await;
        assert_eq!(scene.failure(&lost).await, "not_found");
    }

    async fn a_child_is_stopped_with_its_parent(scene: Scene) {
        let hold = json!({ "id": "hold", "type": "wait", "for": "1d" });
        scene.workflow("child", json!([put("inner", "i"), hold])).await;
        let steps = json!([put("outer", "o"), call("call", "child", &json!({}))]);
        let run = scene.run("parent", steps).await;
        assert_eq!(scene.present(&["i", "o"]).await, ["i", "o"]);
        scene.cancel(&run).await;
        assert_eq!(scene.status(&run).await, RunStatus::Cancelled);
        assert_eq!(scene.present(&["i", "o"]).await, [""; 0], "each has undone its own");
    }

    async fn a_child_is_started_once_however_often_the_process_restarts(scene: Scene) {
        let mut scene = scene;
        scene.workflow("child", json!([put("inner", "i"),
            { "id": "hold", "type": "wait", "for": "1h" }])).await;
        let run = scene.run("parent", json!([call("call", "child", &json!({}))])).await;
        for _ in 0..3 {
            scene.restart().await;
            scene.settle().await;
        }
        scene.pass(3_600).await;
        scene.output(&run).await;
        let all = Default::default();
        let mut conn = scene.parts.store.read().await.unwrap();
        let runs = conn.runs(&scene.ctx, &all, Default::default()).await.unwrap();
        assert_eq!(runs.total_count, 2, "the parent and one child");
    }
}
