//! Signals: before the wait, after it, instead of it.

use connectus_core::{Code, run::RunStatus};
use serde_json::{Value, json};

use crate::{each_driver, support::put};

fn ask(id: &str, more: &Value) -> Value {
    let mut step = json!({ "id": id, "type": "wait", "signal": "answer" });
    step.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    step
}

each_driver! {
    async fn a_signal_may_come_before_or_after_the_wait(scene: Scene) {
        let workflow = scene.workflow("ask", json!([ask("ask", &json!({}))])).await;
        let early = scene.start(&workflow, json!({})).await;
        scene.signal(&early, "answer", json!({ "n": 1 })).await.unwrap();
        let late = scene.start(&workflow, json!({})).await;
        scene.settle().await;
        assert_eq!(scene.output(&early).await["n"], 1);
        assert_eq!(scene.status(&late).await, RunStatus::Waiting);
        scene.signal(&late, "answer", json!({ "n": 2 })).await.unwrap();
        scene.settle().await;
        assert_eq!(scene.output(&late).await["n"], 2);
        let again = scene.signal(&late, "answer", json!(3)).await.unwrap_err();
        assert_eq!(again.code, Code::Conflict, "it has ended");
    }

    async fn each_wait_takes_one_signal_in_the_order_they_came(scene: Scene) {
        let mut scene = scene;
        let steps = json!([ask("a", &json!({})), ask("b", &json!({})), ask("c", &json!({})),
            { "id": "sum", "type": "stop",
              "output": "{{ [steps.a.output, steps.b.output, steps.c.output] }}" }]);
        let run = scene.run("three", steps).await;
        for n in 1..=2 {
            scene.signal(&run, "answer", json!(n)).await.unwrap();
        }
        scene.settle().await;
        assert_eq!(scene.status(&run).await, RunStatus::Waiting, "two of three");
        scene.restart().await;
        scene.signal(&run, "answer", json!(3)).await.unwrap();
        scene.settle().await;
        assert_eq!(scene.output(&run).await, json!([1, 2, 3]));
    }

    async fn a_signal_of_another_name_is_kept_for_its_own_wait(scene: Scene) {
        let other = json!({ "id": "other", "type": "wait", "signal": "other" });
        let run = scene.run("named", json!([ask("ask", &json!({})), other])).await;
        scene.signal(&run, "other", json!("kept")).await.unwrap();
        scene.settle().await;
        assert_eq!(scene.status(&run).await, RunStatus::Waiting);
        scene.signal(&run, "answer", json!("now")).await.unwrap();
        scene.settle().await;
        assert_eq!(scene.output(&run).await, "kept");
    }

    async fn a_wait_ends_at_its_deadline(scene: Scene) {
        let failing = scene.run("strict", json!([put("p", "p"),
            ask("ask", &json!({ "deadline": "1h" }))])).await;
        let lenient = json!({ "deadline": "1h", "on_deadline": "continue" });
        let going_on = scene.run("lenient", json!([ask("ask", &lenient)])).await;
        let answered = scene.run("answered", json!([ask("ask", &lenient),
            json!({ "id": "nap", "type": "wait", "for": "2h" }),
            { "id": "end", "type": "stop", "output": "{{ steps.ask.output }}" }])).await;
        scene.signal(&answered, "answer", json!("in time")).await.unwrap();
        scene.pass(3_599).await;
        assert_eq!(scene.status(&failing).await, RunStatus::Waiting);
        scene.pass(1).await;
        assert_eq!(scene.failure(&failing).await, "timeout");
        assert_eq!(scene.record("p").await, None);
        assert_eq!(scene.output(&going_on).await["timed_out"], true);
        scene.pass(2 * 3_600).await;
        assert_eq!(scene.output(&answered).await, "in time");
    }
}
