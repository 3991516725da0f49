//! Step after step.

use connectus_core::{event::EventType, run::RunStatus};
use serde_json::{Value, json};

use crate::{
    each_driver,
    support::{fakes::post, put},
};

each_driver! {
    async fn outputs_are_handed_on(scene: Scene) {
        let run = scene.run("chain", json!([
            put("first", "a"),
            { "id": "look", "type": "action", "action": "collection.get",
              "input": {
                  "collection": "digisol_crm/contacts", "key": "{{ steps.first.output.key }}",
              } },
            { "id": "note", "type": "set", "vars": { "who": "{{ steps.look.output.by }}" } },
        ])).await;
        assert_eq!(scene.output(&run).await["who"], "first");
        let done = |id: &str| (id.to_owned(), "completed".to_owned());
        assert_eq!(scene.steps(&run).await, [done("first"), done("look")]);
        assert_eq!(scene.record("a").await.unwrap()["by"], "first");
    }

    async fn a_run_is_told_of_once_from_its_beginning_to_its_end(scene: Scene) {
        let steps: Vec<Value> = (0..5).map(|n| post(&format!("s{n}"), &format!("{n}"))).collect();
        let workflow = scene.workflow("told", json!(steps)).await;
        let run = scene.start(&workflow, json!({})).await;
        assert_eq!(run.status, RunStatus::Queued, "accepted, not worked on by its caller");
        scene.settle().await;
        scene.output(&run).await;
        assert_eq!(scene.posted(), ["0", "1", "2", "3", "4"]);
        for (kind, times) in [
            (EventType::RunCreated, 1),
            (EventType::RunStarted, 1),
            (EventType::RunStepsFinished, 5),
            (EventType::RunCompleted, 1),
        ] {
            assert_eq!(scene.told(&run, kind).await, times, "{kind:?}");
        }
    }

    async fn what_was_done_before_a_restart_is_not_done_again(scene: Scene) {
        let mut scene = scene;
        let nap = json!({ "id": "nap", "type": "wait", "for": "1m" });
        let two = post("two", "after {{ steps.one.output.calls }}");
        let steps = json!([post("one", "one"), nap, two]);
        let run = scene.run("restarted", steps).await;
        scene.restart().await;
        scene.pass(60).await;
        scene.output(&run).await;
        assert_eq!(scene.calls(), 2);
        assert_eq!(scene.posted().len(), 2);
    }

    async fn a_drain_leaves_what_is_open_to_the_next_process(scene: Scene) {
        let mut scene = scene;
        let workflow = scene.workflow("drained", json!([post("one", "one")])).await;
        let run = scene.start(&workflow, json!({})).await;
        scene.drain().await;
        assert!(!scene.status(&run).await.is_final());
        scene.settle().await;
        scene.output(&run).await;
        assert_eq!(scene.posted(), ["one"]);
    }
}
